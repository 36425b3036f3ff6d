package main

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// allow brings the status of every budget up to date, as the disruption controller does for pods without a
// controller: only a number of available pods can be kept, every other bound allows nothing.
func (c *cluster) allow() error {
	for _, budget := range c.budgets {
		budget.Status.DisruptionsAllowed = 0
		least := budget.Spec.MinAvailable
		if budget.Spec.MaxUnavailable != nil || least == nil || least.Type != intstr.Int {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil {
			return err
		}
		var healthy int32
		for _, object := range c.pods.List() {
			pod := object.(*v1.Pod)
			running := pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil && pod.Status.Phase == v1.PodRunning
			if running && pod.Namespace == budget.Namespace && selector.Matches(labels.Set(pod.Labels)) {
				healthy++
			}
		}
		if allowed := healthy - least.IntVal; allowed > 0 {
			budget.Status.DisruptionsAllowed = allowed
		}
	}
	return nil
}
