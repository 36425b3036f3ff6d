package main

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/samber/lo"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/apis/v1alpha1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	conditions "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeoverlay"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"
)

// world is Karpenter's state, built from a question.
type world struct {
	ctx         context.Context
	clock       *clocktesting.FakeClock
	memory      *memory
	provider    cloudprovider.CloudProvider
	cluster     *state.Cluster
	provisioner *provisioning.Provisioner
	pools       []*v1.NodePool
	imagined    *virtualpods.Cache
}

type silent struct{}

func (silent) Publish(...events.Event) {}

func labelsOf(object client.Object) labels.Set { return object.GetLabels() }

func build(question *Question) (*world, error) {
	objects, err := decode(question.Objects)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if overlay, ok := object.(*v1alpha1.NodeOverlay); ok {
			inMillionths(overlay)
		}
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
	overlays := nodeoverlay.NewInstanceTypeStore()
	w := &world{ctx: ctx, clock: clock, memory: memory, provider: overlay.Decorate(sold, memory, overlays)}
	w.cluster = state.NewCluster(clock, memory, w.provider)
	if question.Settings.NodeOverlay {
		controller := nodeoverlay.NewController(clock, memory, sold, overlays, w.cluster)
		if _, err := controller.Reconcile(ctx, reconcile.Request{}); err != nil {
			return nil, err
		}
	}
	w.imagined = virtualpods.NewVirtualPodCache(memory)
	w.provisioner = provisioning.NewProvisioner(memory, silent{}, w.provider, w.cluster, clock, nil, w.imagined)
	if question.Settings.CapacityBuffer {
		w.lookAtBuffers()
	}
	return w, w.inform(objects)
}

// inMillionths writes an overlay's dollars in the unit of the other prices.
func inMillionths(overlay *v1alpha1.NodeOverlay) {
	for _, text := range []*string{overlay.Spec.Price, overlay.Spec.PriceAdjustment} {
		if text == nil || strings.HasSuffix(*text, "%") {
			continue
		}
		dollars, sign := strings.TrimLeft(*text, "+-"), ""
		if dollars != *text {
			sign = (*text)[:1]
		}
		value, err := strconv.ParseFloat(dollars, 64)
		if err != nil {
			panic(err)
		}
		*text = sign + strconv.FormatInt(int64(math.Round(value*1e6)), 10)
	}
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
