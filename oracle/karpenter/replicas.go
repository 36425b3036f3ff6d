package main

import (
	"sort"

	"github.com/samber/lo"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	deprovisioning "sigs.k8s.io/karpenter/pkg/controllers/static/deprovisioning"
	provisioning "sigs.k8s.io/karpenter/pkg/controllers/static/provisioning"
)

// replicas lets both controllers of static pools look at every pool once: first what is too many goes, then what is
// lacking comes. What they ask the API server for is the answer.
func (w *world) replicas() (Answer, error) {
	down := deprovisioning.NewController(w.memory, w.cluster, w.provider, w.clock, silent{})
	up := provisioning.NewController(w.memory, w.cluster, silent{}, w.provider, w.provisioner, w.clock, nil, nil)
	answer := Answer{Replicas: map[string]Replicas{}}
	for _, pool := range w.pools {
		if pool.Spec.Replicas == nil {
			continue
		}
		w.memory.asked = asked{accepts: true}
		if _, err := down.Reconcile(w.ctx, pool); err != nil {
			return Answer{}, err
		}
		if _, err := up.Reconcile(w.ctx, pool); err != nil && len(w.memory.asked.created) > 0 {
			return Answer{}, err
		}
		sort.Strings(w.memory.asked.deleted)
		answer.Replicas[pool.Name] = Replicas{
			Created: lo.Map(w.memory.asked.created, func(claim *v1.NodeClaim, _ int) Claim { return claimOf(planned(claim, pool)) }),
			Deleted: w.memory.asked.deleted,
		}
	}
	return answer, nil
}

// planned is what a created claim was made from: its pool's template.
func planned(claim *v1.NodeClaim, pool *v1.NodePool) *scheduling.NodeClaim {
	template := scheduling.NewNodeClaimTemplate(pool)
	template.Spec.Resources = claim.Spec.Resources
	return &scheduling.NodeClaim{NodeClaimTemplate: *template}
}
