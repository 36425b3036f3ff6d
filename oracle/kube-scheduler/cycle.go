package main

import (
	"errors"
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// status is what a plugin says of a node.
type status struct {
	Plugin  string   `json:"plugin,omitempty"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
}

// decision is what became of a pod.
type decision struct {
	Pod     string `json:"pod"`
	Outcome string `json:"outcome"`
	// Everywhere is the status with which PreFilter keeps the pod off all nodes.
	Everywhere *status `json:"everywhere,omitempty"`
	// Filters holds what every filter says of each node that PreFilter left, nominated pods left out.
	Filters map[string]map[string]status `json:"filters,omitempty"`
	// Refused holds the status of each node that was looked at and refused, nominated pods counted.
	Refused map[string]status `json:"refused,omitempty"`
	// Scores holds the weighted scores by node and plugin, and under "total" their sum.
	Scores     map[string]map[string]int64 `json:"scores,omitempty"`
	Best       []string                    `json:"best,omitempty"`
	Node       string                      `json:"node,omitempty"`
	Preemption *preemption                 `json:"preemption,omitempty"`
	Message    string                      `json:"message,omitempty"`
	// Work says how much was asked; it is no part of the decision.
	Work *work `json:"work,omitempty"`
}

// work is what judge did.
type work struct {
	// Nodes that every filter was asked about.
	Nodes int `json:"nodes"`
	// Skipped are the filters that had nothing to do for the pod.
	Skipped []string `json:"skipped"`
}

func say(s *fwk.Status) status {
	reasons := append([]string{}, s.Reasons()...)
	// The upstream walks a map of the resources that are not its own.
	sort.Strings(reasons)
	return status{Plugin: s.Plugin(), Code: s.Code().String(), Reasons: reasons}
}

// play handles the pending pods of a cluster one after the other, and then those that preempted once more.
func play(all *objects) ([]*decision, error) {
	c, err := newCluster(all)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	var decisions []*decision
	var again []*v1.Pod
	for _, pod := range all.pending {
		made, err := c.handle(pod)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, made)
		if made.Outcome == "preempts" {
			again = append(again, pod)
		}
	}
	for _, pod := range again {
		made, err := c.handle(pod)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, made)
	}
	return decisions, nil
}

// handle is one scheduling cycle of a pod with its consequences.
func (c *cluster) handle(pod *v1.Pod) (*decision, error) {
	made := &decision{Pod: pod.Namespace + "/" + pod.Name}
	for _, plugin := range c.framework.PreEnqueuePlugins() {
		if s := plugin.PreEnqueue(c.ctx, pod); !s.IsSuccess() {
			made.Outcome, made.Message = "gated", ""
			return made, nil
		}
	}
	current, _, _ := c.pods.GetByKey(made.Pod)
	pod = current.(*v1.Pod)
	if pod.DeletionTimestamp != nil {
		made.Outcome = "skipped"
		return made, nil
	}
	if err := c.scheduler.Cache.UpdateSnapshot(c.logger, c.snapshot); err != nil {
		return nil, err
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, err
	}
	if err := c.judge(pod, made); err != nil {
		return nil, err
	}
	state := framework.NewCycleState()
	result, err := c.scheduler.SchedulePod(c.ctx, c.framework, state, &framework.QueuedPodInfo{PodInfo: info})
	var misfit *framework.FitError
	switch {
	case err == nil:
		return made, c.place(pod, state, result.FeasibleNodes, made)
	case errors.As(err, &misfit):
		return made, c.preempt(pod, state, misfit, made)
	default:
		made.Outcome, made.Message = "rejected", err.Error()
		return made, nil
	}
}

// judge asks every filter about every node that PreFilter leaves.
func (c *cluster) judge(pod *v1.Pod, made *decision) error {
	state := framework.NewCycleState()
	only, s, _ := c.framework.RunPreFilterPlugins(c.ctx, state, pod)
	if !s.IsSuccess() {
		said := say(s)
		made.Everywhere = &said
		return nil
	}
	nodes, err := c.snapshot.NodeInfos().List()
	if err != nil {
		return err
	}
	made.Filters = map[string]map[string]status{}
	made.Work = &work{Skipped: sets.List(state.GetSkipFilterPlugins())}
	for _, node := range nodes {
		name := node.Node().Name
		if !only.AllNodes() && !only.NodeNames.Has(name) {
			continue
		}
		made.Work.Nodes++
		said := map[string]status{}
		for _, plugin := range c.filters {
			if state.GetSkipFilterPlugins().Has(plugin.Name()) {
				continue
			}
			if s := plugin.Filter(c.ctx, state, pod, node); !s.IsSuccess() {
				heard := say(s)
				heard.Plugin = ""
				said[plugin.Name()] = heard
			}
		}
		if len(said) > 0 {
			made.Filters[name] = said
		}
	}
	return nil
}

// place scores the nodes that fit, binds the pod to the best with the lowest name and reserves its volumes.
func (c *cluster) place(pod *v1.Pod, state fwk.CycleState, feasible int, made *decision) error {
	nodes, err := c.fitting(pod, state, feasible)
	if err != nil {
		return err
	}
	made.Outcome, made.Best = "bound", []string{nodes[0].Node().Name}
	if feasible > 1 {
		if err := c.score(pod, state, nodes, made); err != nil {
			return err
		}
	}
	made.Node = made.Best[0]
	assumed := pod.DeepCopy()
	assumed.Spec.NodeName = made.Node
	if s := c.framework.RunReservePluginsReserve(c.ctx, state, assumed, made.Node); !s.IsSuccess() {
		return s.AsError()
	}
	if err := c.devices.use(assumed); err != nil {
		return err
	}
	c.clock++
	started := metav1.NewTime(firstBinding.Add(time.Duration(c.clock) * time.Second))
	assumed.Status.StartTime, assumed.Status.Phase = &started, v1.PodRunning
	c.scheduler.SchedulingQueue.Delete(pod)
	return c.add(assumed)
}

// fitting lists the nodes that pass the filters: those that SchedulePod has just found, which it only counts.
func (c *cluster) fitting(pod *v1.Pod, state fwk.CycleState, feasible int) ([]fwk.NodeInfo, error) {
	only, s, _ := c.framework.RunPreFilterPlugins(c.ctx, state, pod)
	if !s.IsSuccess() {
		return nil, s.AsError()
	}
	all, err := c.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	var nodes []fwk.NodeInfo
	for _, node := range all {
		name := node.Node().Name
		if !only.AllNodes() && !only.NodeNames.Has(name) {
			continue
		}
		if !c.framework.RunFilterPluginsWithNominatedPods(c.ctx, state, pod, node).IsSuccess() {
			continue
		}
		if name == pod.Status.NominatedNodeName {
			return []fwk.NodeInfo{node}, nil
		}
		nodes = append(nodes, node)
	}
	if len(nodes) != feasible {
		return nil, errors.New("SchedulePod found another number of nodes")
	}
	return nodes, nil
}

// score asks every score plugin about every node that fits.
func (c *cluster) score(pod *v1.Pod, state fwk.CycleState, nodes []fwk.NodeInfo, made *decision) error {
	if s := c.framework.RunPreScorePlugins(c.ctx, state, pod, nodes); !s.IsSuccess() {
		return s.AsError()
	}
	scored, s := c.framework.RunScorePlugins(c.ctx, state, pod, nodes)
	if !s.IsSuccess() {
		return s.AsError()
	}
	made.Scores = map[string]map[string]int64{}
	var most int64 = -1
	for _, node := range scored {
		told := map[string]int64{"total": node.TotalScore}
		for _, score := range node.Scores {
			if score.Score != 0 {
				told[score.Name] = score.Score
			}
		}
		made.Scores[node.Name] = told
		if node.TotalScore > most {
			most, made.Best = node.TotalScore, nil
		}
		if node.TotalScore == most {
			made.Best = append(made.Best, node.Name)
		}
	}
	sort.Strings(made.Best)
	return nil
}
