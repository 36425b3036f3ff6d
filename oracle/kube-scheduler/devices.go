package main

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	_ "unsafe"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/dynamic-resource-allocation/resourceclaim"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// devices keeps the claims of a cluster: the API's copies, which the plugin writes to when it takes devices away, and
// the scheduler's own.
type devices struct {
	client  kubernetes.Interface
	ctx     context.Context
	tracker fwk.ResourceClaimTracker
	cache   *assumecache.AssumeCache
	version int
}

// assumeCacheAdd is what the informer of claims calls; the informers do not run.
//
//go:linkname assumeCacheAdd k8s.io/kubernetes/pkg/scheduler/util/assumecache.(*AssumeCache).add
func assumeCacheAdd(cache *assumecache.AssumeCache, object interface{})

// newDevices makes a client of their own for clusters with claims.
func newDevices(claims []*resourcev1.ResourceClaim) *devices {
	d := &devices{client: client}
	if len(claims) > 0 {
		var objects []runtime.Object
		for _, claim := range claims {
			objects = append(objects, claim)
		}
		d.client = fake.NewSimpleClientset(objects...)
	}
	return d
}

// fill tells the scheduler of the claims.
func (d *devices) fill(ctx context.Context, framework framework.Framework, claims []*resourcev1.ResourceClaim) {
	d.ctx, d.tracker = ctx, framework.SharedDRAManager().ResourceClaims()
	field := reflect.ValueOf(d.tracker).Elem().FieldByName("cache")
	d.cache = (*assumecache.AssumeCache)(field.UnsafePointer())
	for _, claim := range claims {
		d.put(claim)
	}
}

func (d *devices) put(claim *resourcev1.ResourceClaim) {
	d.version++
	claim = claim.DeepCopy()
	claim.ResourceVersion = strconv.Itoa(d.version)
	assumeCacheAdd(d.cache, claim)
}

// use makes a pod that was placed a user of its claims, which get the devices that Reserve chose: what PreBind does.
func (d *devices) use(pod *v1.Pod) error {
	for i := range pod.Spec.ResourceClaims {
		name, _, err := resourceclaim.Name(pod, &pod.Spec.ResourceClaims[i])
		if err != nil {
			return err
		}
		if name == nil {
			// Its controller found that no claim is needed.
			continue
		}
		known, err := d.tracker.Get(pod.Namespace, *name)
		if err != nil {
			return err
		}
		claim := known.DeepCopy()
		if claim.Status.Allocation == nil {
			claim.Status.Allocation = d.tracker.GetPendingAllocation(claim.UID)
		}
		user := resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: pod.Name, UID: pod.UID}
		if !slices.Contains(claim.Status.ReservedFor, user) {
			claim.Status.ReservedFor = append(claim.Status.ReservedFor, user)
		}
		if _, err := d.client.ResourceV1().ResourceClaims(claim.Namespace).Update(d.ctx, claim, metav1.UpdateOptions{}); err != nil {
			return err
		}
		d.put(claim)
		d.tracker.MaybeRemoveClaimPendingAllocation(claim.UID, true)
	}
	return nil
}

// read takes over what the plugin has written: claims that lost their devices.
func (d *devices) read() error {
	if d.client == client {
		return nil
	}
	written, err := d.client.ResourceV1().ResourceClaims("").List(d.ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range written.Items {
		claim := &written.Items[i]
		known, err := d.tracker.Get(claim.Namespace, claim.Name)
		if err != nil {
			return err
		}
		if (known.Status.Allocation == nil) != (claim.Status.Allocation == nil) {
			d.put(claim)
		}
	}
	return nil
}
