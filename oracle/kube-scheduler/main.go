package main

import (
	_ "k8s.io/client-go/kubernetes/fake"
	_ "k8s.io/client-go/informers"
	_ "k8s.io/kubernetes/pkg/scheduler"
	_ "k8s.io/kubernetes/pkg/apis/core/v1"
	_ "k8s.io/kubernetes/pkg/scheduler/profile"
	_ "k8s.io/kubernetes/pkg/apis/storage/v1"
)

func main() {}
