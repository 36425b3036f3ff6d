package main

import (
	"context"
	"time"

	"github.com/samber/lo"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	conditions "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// world is Karpenter's state, built from a question.
type world struct {
	ctx         context.Context
	clock       *clocktesting.FakeClock
	memory      *memory
	provider    *provider
	cluster     *state.Cluster
	provisioner *provisioning.Provisioner
	pools       []*v1.NodePool
}

type silent struct{}

func (silent) Publish(...events.Event) {}

func labelsOf(object client.Object) labels.Set { return object.GetLabels() }

func build(question *Question) (*world, error) {
	objects, err := decode(question.Objects)
	if err != nil {
		return nil, err
	}
	memory, err := newMemory(objects)
	if err != nil {
		return nil, err
	}
	setWellKnown(question.WellKnown)
	ctx := options.ToContext(injection.WithControllerName(context.Background(), "oracle"), question.options())
	clock := clocktesting.NewFakeClock(time.Unix(question.Now, 0).UTC())
	sold := &provider{
		types:  lo.Map(question.InstanceTypes, func(t InstanceType, _ int) *cloudprovider.InstanceType { return t.real() }),
		byPool: lo.MapValues(question.PoolTypes, func(names []string, _ string) sets.Set[string] { return sets.New(names...) }),
	}
	w := &world{ctx: ctx, clock: clock, memory: memory, provider: sold}
	w.cluster = state.NewCluster(clock, memory, sold)
	w.provisioner = provisioning.NewProvisioner(memory, silent{}, sold, w.cluster, clock, nil, nil)
	return w, w.inform(objects)
}

// inform hands the objects over as Karpenter's informers do: claims, nodes, pods, DaemonSets.
func (w *world) inform(objects []client.Object) error {
	controller := conditions.NewController(w.clock, w.memory, w.provider)
	for _, object := range objects {
		switch object := object.(type) {
		case *v1.NodePool:
			object.StatusConditions().SetTrue(v1.ConditionTypeValidationSucceeded)
			object.StatusConditions().SetTrue(v1.ConditionTypeNodeClassReady)
			w.pools = append(w.pools, object)
		}
	}
	for _, object := range objects {
		if claim, ok := object.(*v1.NodeClaim); ok {
			if _, err := controller.Reconcile(w.ctx, claim); err != nil {
				return err
			}
			w.cluster.UpdateNodeClaim(claim)
		}
	}
	for _, object := range objects {
		if node, ok := object.(*corev1.Node); ok {
			if err := w.cluster.UpdateNode(w.ctx, node); err != nil {
				return err
			}
		}
	}
	for _, object := range objects {
		switch object := object.(type) {
		case *corev1.Pod:
			if err := w.cluster.UpdatePod(w.ctx, object); err != nil {
				return err
			}
		case *appsv1.DaemonSet:
			if err := w.cluster.UpdateDaemonSet(w.ctx, object); err != nil {
				return err
			}
		}
	}
	w.cluster.SetSynced(true)
	w.cluster.MarkUnconsolidated()
	return nil
}
