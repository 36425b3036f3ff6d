package main

import (
	"fmt"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/karpenter/pkg/apis/autoscaling/v1beta1"
	"sigs.k8s.io/karpenter/pkg/controllers/capacitybuffer"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// lookAtBuffers has Karpenter's controller look at every buffer. What it cannot resolve is in the buffer's status.
func (w *world) lookAtBuffers() {
	controller := capacitybuffer.NewController(w.memory, nil, w.imagined)
	for _, buffer := range w.memory.kinds["CapacityBuffer"] {
		_, _ = controller.Reconcile(w.ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(buffer)})
	}
}

// planForBuffers does what follows a plan: conditions, and the nodes that keep room.
func (w *world) planForBuffers(results scheduling.Results) (map[string]string, error) {
	if !options.FromContext(w.ctx).FeatureGates.CapacityBuffer {
		return nil, nil
	}
	if err := w.provisioner.SayOfBuffers(w.ctx, results); err != nil {
		return nil, err
	}
	w.cluster.UpdateBufferPodCounts(provisioning.BufferPodCounts(results))
	said := map[string]string{}
	for _, object := range w.memory.kinds["CapacityBuffer"] {
		said[client.ObjectKeyFromObject(object).String()] = describeBuffer(object.(*v1beta1.CapacityBuffer))
	}
	return said, nil
}

func describeBuffer(buffer *v1beta1.CapacityBuffer) string {
	status := buffer.Status
	text := fmt.Sprintf("template %s@%s replicas %s strategy %s",
		lo.TernaryF(status.PodTemplateRef == nil, func() string { return "-" }, func() string { return status.PodTemplateRef.Name }),
		orNone(status.PodTemplateGeneration), orNone(status.Replicas), orNone(status.ProvisioningStrategy))
	for _, kind := range []string{v1beta1.ReadyForProvisioningCondition, v1beta1.ProvisioningCondition} {
		for _, condition := range status.Conditions {
			if condition.Type == kind {
				text += fmt.Sprintf(" %s=%t %s: %s", kind, condition.Status == metav1.ConditionTrue, condition.Reason, condition.Message)
			}
		}
	}
	return text
}

func orNone[T any](value *T) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprint(*value)
}

// real leaves imagined pods out.
func real(pods []*corev1.Pod) []*corev1.Pod {
	return lo.Filter(pods, func(pod *corev1.Pod, _ int) bool { return !provisioning.IsVirtualPod(pod) })
}
