package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"
)

// Answer is one output line.
type Answer struct {
	Seed uint64 `json:"seed"`
	// Claims are the new ones, in Karpenter's order.
	Claims []Claim `json:"claims"`
	// Existing has the pods that were placed on nodes, and on claims on their way, by the name of those.
	Existing map[string][]string `json:"existing"`
	// Unscheduled has the pods that were tried in vain, with Karpenter's text.
	Unscheduled map[string]string `json:"unscheduled"`
	// Commands are what disruption would do first.
	Commands []Command `json:"commands"`
	// Replicas are what becomes of static pools, by name; null where that was not asked.
	Replicas map[string]Replicas `json:"replicas"`
	// Buffers are what is said of CapacityBuffers, by namespace and name; null without their gate.
	Buffers map[string]string `json:"buffers"`
	// Error says why there is no answer.
	Error string `json:"error,omitempty"`
}

// Claim is a new NodeClaim.
type Claim struct {
	Pool         string            `json:"pool"`
	Pods         []string          `json:"pods"`
	Types        []string          `json:"types"`
	Requirements []string          `json:"requirements"`
	Requests     map[string]string `json:"requests"`
}

// Replicas is what becomes of a static pool.
type Replicas struct {
	// Created are the new claims.
	Created []Claim `json:"created"`
	// Deleted are the names of the claims that go, sorted.
	Deleted []string `json:"deleted"`
}

// Command is what disruption would do.
type Command struct {
	Method       string   `json:"method"`
	Decision     string   `json:"decision"`
	Reason       string   `json:"reason"`
	Nodes        []string `json:"nodes"`
	Replacements []Claim  `json:"replacements"`
}

func nameOf(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

func claimOf(claim *scheduling.NodeClaim) Claim {
	return Claim{
		Pool: claim.NodePoolName,
		Pods: lo.Map(claim.Pods, func(pod *corev1.Pod, _ int) string { return nameOf(pod) }),
		Types: lo.Map(claim.InstanceTypeOptions, func(t *cloudprovider.InstanceType, _ int) string {
			return t.Name
		}),
		Requirements: describe(claim.Requirements),
		Requests: lo.MapEntries(claim.Spec.Resources.Requests, func(name corev1.ResourceName, amount resourceQuantity) (string, string) {
			return string(name), fmt.Sprint(inUnits(name, amount))
		}),
	}
}

// describe writes each requirement as `key operator [values] gte lte min`, in key order.
func describe(all requirements.Requirements) []string {
	lines := make([]string, 0, len(all))
	for _, one := range all {
		values := one.Values()
		sort.Strings(values)
		line := fmt.Sprintf("%s %s [%s]", one.Key, one.Operator(), strings.Join(values, ","))
		if bounded := one.NodeSelectorRequirement(); bounded.Operator == "Gte" || bounded.Operator == "Lte" {
			line += fmt.Sprintf(" %s %s", bounded.Operator, bounded.Values[0])
		}
		if one.MinValues != nil {
			line += fmt.Sprintf(" min %d", *one.MinValues)
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return lines
}

func commandOf(method string, command disruption.Command) Command {
	return Command{
		Method:   method,
		Decision: string(command.Decision()),
		Nodes: lo.Map(command.Candidates, func(candidate *disruption.Candidate, _ int) string {
			return candidate.Node.Name
		}),
		Replacements: lo.Map(command.Replacements, func(replacement *disruption.Replacement, _ int) Claim {
			claim := claimOf(replacement.NodeClaim)
			claim.Pods = lo.Map(real(replacement.NodeClaim.Pods), func(pod *corev1.Pod, _ int) string { return nameOf(pod) })
			return claim
		}),
	}
}
