package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"sigs.k8s.io/yaml"
)

// testCase is a test case of the upstream's scheduler_perf, as far as our mixes need it.
type testCase struct {
	Name                   string
	DefaultPodTemplatePath string
	WorkloadTemplate       []operation
	Workloads              []struct {
		Name   string
		Params map[string]any
	}
}

// operation is one step of a test case.
type operation struct {
	Opcode           string
	CountParam       string
	NodeTemplatePath string
	PodTemplatePath  string
	TemplatePath     string
	Namespace        string
	CollectMetrics   bool
	// LabelNodePrepareStrategy gives the nodes these values of a label in turn.
	LabelNodePrepareStrategy struct {
		LabelKey    string
		LabelValues []string
	}
}

// mix makes the objects of one workload.
type mix struct {
	folder string
	test   testCase
	counts map[string]int
	all    *objects
	// names given so far.
	names int
}

// measure places the measured pods of a workload (misc, SchedulingBasic, 5000Nodes_10000Pods), the configuration of
// which is under `root`, and prints how fast. No API server: what is decided is put into the scheduler's cache.
func measure(root string, path []string, set string, most int) error {
	name := path[1]
	m, err := readMix(filepath.Join(root, path[0]), name, path[2])
	if err != nil {
		return err
	}
	for _, pair := range strings.Split(set, ",") {
		key, value, given := strings.Cut(pair, "=")
		if !given {
			continue
		}
		if m.counts["$"+key], err = strconv.Atoi(value); err != nil {
			return err
		}
	}
	measured, err := m.build()
	if err != nil {
		return err
	}
	c, err := newCluster(m.all)
	if err != nil {
		return err
	}
	defer c.stop()
	for _, pod := range m.all.pending {
		if err := c.settle(pod); err != nil {
			return err
		}
	}
	if most > 0 && most < len(measured) {
		measured = measured[:most]
	}
	for _, pod := range measured {
		if err := c.pods.Add(pod); err != nil {
			return err
		}
	}
	wall, used := time.Now(), cpuTime()
	for _, pod := range measured {
		if err := c.settle(pod); err != nil {
			return err
		}
	}
	seconds, cpu := time.Since(wall).Seconds(), cpuTime()-used
	pods := float64(len(measured))
	fmt.Printf("%s\t%d\t%.1f\t%.1f\n", name, len(measured), pods/seconds, pods/cpu.Seconds())
	return nil
}

// cpuTime is the time that all threads of this process have had.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// settle gives a pod a node, if others must go for it in a second cycle.
func (c *cluster) settle(pod *v1.Pod) error {
	for range 2 {
		if err := c.scheduler.Cache.UpdateSnapshot(c.logger, c.snapshot); err != nil {
			return err
		}
		info, err := framework.NewPodInfo(pod)
		if err != nil {
			return err
		}
		state := framework.NewCycleState()
		result, err := c.scheduler.SchedulePod(c.ctx, c.framework, state, &framework.QueuedPodInfo{PodInfo: info})
		var misfit *framework.FitError
		switch {
		case err == nil:
			return c.assume(pod, state, result.SuggestedHost)
		case !errors.As(err, &misfit):
			return err
		}
		candidates, err := c.candidates(pod, state, misfit.Diagnosis.NodeToStatus)
		if err != nil {
			return err
		}
		if len(candidates) == 0 {
			return misfit
		}
		chosen := c.preemptor.Evaluator.SelectCandidate(c.ctx, candidates)
		if err := c.evict(pod, candidates, chosen.Name()); err != nil {
			return err
		}
		nominated, _, _ := c.pods.GetByKey(pod.Namespace + "/" + pod.Name)
		pod = nominated.(*v1.Pod)
	}
	return fmt.Errorf("%s preempted in vain", pod.Name)
}

// assume binds a pod.
func (c *cluster) assume(pod *v1.Pod, state *framework.CycleState, node string) error {
	assumed := pod.DeepCopy()
	assumed.Spec.NodeName = node
	if s := c.framework.RunReservePluginsReserve(c.ctx, state, assumed, node); !s.IsSuccess() {
		return s.AsError()
	}
	c.clock++
	started := metav1.NewTime(firstBinding.Add(time.Duration(c.clock) * time.Second))
	assumed.Status.StartTime, assumed.Status.Phase = &started, v1.PodRunning
	c.scheduler.SchedulingQueue.DeleteNominatedPodIfExists(pod)
	return c.add(assumed)
}

func readMix(folder, name, workload string) (*mix, error) {
	text, err := os.ReadFile(filepath.Join(folder, "performance-config.yaml"))
	if err != nil {
		return nil, err
	}
	var cases []testCase
	if err := yaml.Unmarshal(text, &cases); err != nil {
		return nil, err
	}
	for _, test := range cases {
		for _, candidate := range test.Workloads {
			if test.Name != name || candidate.Name != workload {
				continue
			}
			m := &mix{folder: folder, test: test, counts: map[string]int{}, all: newObjects()}
			for key, value := range candidate.Params {
				if count, ok := value.(float64); ok {
					m.counts["$"+key] = int(count)
				}
			}
			return m, nil
		}
	}
	return nil, fmt.Errorf("there is no %s/%s in %s", name, workload, folder)
}

// build makes the objects; the measured pods are not among those that are there.
func (m *mix) build() ([]*v1.Pod, error) {
	var measured []*v1.Pod
	for _, step := range m.test.WorkloadTemplate {
		var err error
		switch step.Opcode {
		case "createNodes":
			err = m.nodes(step)
		case "createPods":
			var pods []*v1.Pod
			if pods, err = m.pods(step); step.CollectMetrics {
				measured = append(measured, pods...)
			} else {
				m.all.pending = append(m.all.pending, pods...)
			}
		case "createAny":
			err = m.other(step)
		case "createNamespaces", "churn":
			// Namespaces are selected by name in our mixes; what churns is not measured.
		default:
			err = fmt.Errorf("%s is not known", step.Opcode)
		}
		if err != nil {
			return nil, err
		}
	}
	return measured, nil
}

func (m *mix) decode(path string) (runtime.Object, error) {
	text, err := os.ReadFile(filepath.Join(m.folder, path))
	if err != nil {
		return nil, err
	}
	object, _, err := legacyscheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err == nil {
		legacyscheme.Scheme.Default(object)
	}
	return object, err
}

func (m *mix) name(meta *metav1.ObjectMeta) {
	m.names++
	meta.Name = fmt.Sprintf("%s%06d", meta.GenerateName, m.names)
	meta.UID = types.UID(meta.Name)
}

func (m *mix) nodes(step operation) error {
	path := step.NodeTemplatePath
	if path == "" {
		path = "../templates/node-default.yaml"
	}
	object, err := m.decode(path)
	if err != nil {
		return err
	}
	for number := range m.counts[step.CountParam] {
		node := object.(*v1.Node).DeepCopy()
		m.name(&node.ObjectMeta)
		if node.Status.Allocatable == nil {
			node.Status.Allocatable = node.Status.Capacity
		}
		node.Labels = map[string]string{v1.LabelHostname: node.Name}
		if values := step.LabelNodePrepareStrategy.LabelValues; len(values) > 0 {
			node.Labels[step.LabelNodePrepareStrategy.LabelKey] = values[number%len(values)]
		}
		m.all.others = append(m.all.others, node)
	}
	return nil
}

func (m *mix) pods(step operation) ([]*v1.Pod, error) {
	path := step.PodTemplatePath
	if path == "" {
		path = m.test.DefaultPodTemplatePath
	}
	object, err := m.decode(path)
	if err != nil {
		return nil, err
	}
	var pods []*v1.Pod
	for range m.counts[step.CountParam] {
		pod := object.(*v1.Pod).DeepCopy()
		m.name(&pod.ObjectMeta)
		if pod.Namespace = step.Namespace; pod.Namespace == "" {
			pod.Namespace = "default"
		}
		if pod.Spec.Priority == nil {
			pod.Spec.Priority = new(int32)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

func (m *mix) other(step operation) error {
	object, err := m.decode(step.TemplatePath)
	if err != nil {
		return err
	}
	if service, ok := object.(*v1.Service); ok {
		m.name(&service.ObjectMeta)
		service.Namespace = step.Namespace
	}
	m.all.others = append(m.all.others, object)
	return nil
}
