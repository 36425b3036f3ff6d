package main

import (
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkpreemption "k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

// firstBinding is after every start that a line may tell.
var firstBinding = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// asked is how often two candidates are compared: the upstream walks a map, so equals come out in either order.
const asked = 24

// preemption is which pods would go from which nodes.
type preemption struct {
	Candidates map[string]candidate `json:"candidates"`
	Best       []string             `json:"best"`
	Node       string               `json:"node"`
}

type candidate struct {
	Victims    []string `json:"victims"`
	Violations int64    `json:"violations"`
}

// preempt runs PostFilter's decision without its consequences in the API, and then takes the victims away.
func (c *cluster) preempt(pod *v1.Pod, state fwk.CycleState, misfit *framework.FitError, made *decision) error {
	statuses := misfit.Diagnosis.NodeToStatus
	nodes, err := c.snapshot.NodeInfos().List()
	if err != nil {
		return err
	}
	if made.Everywhere == nil {
		made.Refused = map[string]status{}
		for _, node := range nodes {
			name := node.Node().Name
			if s := statuses.Get(name); s.Plugin() != "" {
				made.Refused[name] = say(s)
			}
		}
	}
	made.Outcome = "rejected"
	candidates, err := c.candidates(pod, state, statuses)
	if err != nil {
		return err
	}
	if len(candidates) == 0 {
		result, s := c.framework.RunPostFilterPlugins(c.ctx, state, pod, statuses)
		misfit.Diagnosis.PostFilterMsg = s.Message()
		made.Message = truncate(misfit.Error())
		if err := c.devices.read(); err != nil {
			return err
		}
		if result != nil && result.Mode() == fwk.ModeOverride {
			return c.nominate(pod, result.NominatedNodeName)
		}
		return nil
	}
	made.Outcome, made.Message = "preempts", truncate(misfit.Error())
	told := &preemption{Candidates: map[string]candidate{}, Best: c.best(candidates)}
	for _, found := range candidates {
		victims := []string{}
		for _, victim := range found.Victims().Pods {
			victims = append(victims, victim.Namespace+"/"+victim.Name)
		}
		told.Candidates[found.Name()] = candidate{Victims: victims, Violations: found.Victims().NumPDBViolations}
	}
	told.Node = told.Best[0]
	made.Preemption = told
	return c.evict(pod, candidates, told.Node)
}

// candidates is what Evaluator.Preempt does before it chooses.
func (c *cluster) candidates(pod *v1.Pod, state fwk.CycleState, statuses *framework.NodeToStatus) ([]frameworkpreemption.Candidate, error) {
	if ok, _ := c.preemptor.PodEligibleToPreemptOthers(c.ctx, pod, statuses.Get(pod.Status.NominatedNodeName)); !ok {
		return nil, nil
	}
	potential, err := statuses.NodesForStatusCode(c.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil || len(potential) == 0 {
		return nil, err
	}
	if err := c.allow(); err != nil {
		return nil, err
	}
	budgets, err := c.preemptor.Evaluator.PdbLister.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	_, wanted := c.preemptor.GetOffsetAndNumCandidates(int32(len(potential)))
	found, _, err := c.preemptor.Evaluator.DryRunPreemption(c.ctx, state, pod, potential, budgets, 0, wanted)
	if len(found) == 0 {
		// The real PostFilter says why.
		return nil, nil
	}
	return found, nil
}

// best names every candidate that the upstream could choose.
func (c *cluster) best(candidates []frameworkpreemption.Candidate) []string {
	first := c.preemptor.Evaluator.SelectCandidate(c.ctx, candidates)
	best := []string{first.Name()}
	for _, other := range candidates {
		if other.Name() == first.Name() {
			continue
		}
		for i := 0; i < asked; i++ {
			pair := []frameworkpreemption.Candidate{first, other}
			if c.preemptor.Evaluator.SelectCandidate(c.ctx, pair).Name() == other.Name() {
				best = append(best, other.Name())
				break
			}
		}
	}
	sort.Strings(best)
	return best
}

// evict takes the victims away, reserves the node for the pod and takes the reservations of lesser pods away.
func (c *cluster) evict(pod *v1.Pod, candidates []frameworkpreemption.Candidate, node string) error {
	for _, found := range candidates {
		if found.Name() != node {
			continue
		}
		for _, victim := range found.Victims().Pods {
			if err := c.pods.Delete(victim); err != nil {
				return err
			}
			if err := c.scheduler.Cache.RemovePod(c.logger, victim); err != nil {
				return err
			}
		}
	}
	for _, other := range c.framework.NominatedPodsForNode(node) {
		if lesser := other.GetPod(); *lesser.Spec.Priority < *pod.Spec.Priority {
			if err := c.nominate(lesser, ""); err != nil {
				return err
			}
		}
	}
	return c.nominate(pod, node)
}

// truncate cuts a message as events do.
func truncate(message string) string {
	const suffix = " ..."
	if len(message) <= validation.NoteLengthLimit {
		return message
	}
	return message[:validation.NoteLengthLimit-len(suffix)] + suffix
}
