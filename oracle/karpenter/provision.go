package main

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

type resourceQuantity = resource.Quantity

// inUnits is CPU in thousandths of a core, everything else in ones.
func inUnits(name corev1.ResourceName, amount resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return amount.MilliValue()
	}
	return amount.Value()
}

// provision asks for one round of provisioning.
func (w *world) provision() (Answer, error) {
	results, err := w.provisioner.Schedule(w.ctx)
	if err != nil {
		return Answer{}, err
	}
	said, err := w.planForBuffers(results)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Existing: map[string][]string{}, Unscheduled: map[string]string{}, Buffers: said}
	for _, claim := range results.NewNodeClaims {
		answer.Claims = append(answer.Claims, claimOf(claim))
	}
	for _, node := range results.ExistingNodes {
		for _, pod := range node.Pods {
			answer.Existing[node.Name()] = append(answer.Existing[node.Name()], nameOf(pod))
		}
	}
	for pod, cause := range results.PodErrors {
		text := cause.Error()
		if len(text) > 400 {
			text = strings.ToValidUTF8(text[:400], "")
		}
		answer.Unscheduled[nameOf(pod)] = text
	}
	return answer, nil
}
