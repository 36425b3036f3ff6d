package main

import (
	"context"
	"fmt"
	"reflect"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// client is never written to: what is decided is put into the informers' stores and the scheduler's cache directly.
var client = fake.NewSimpleClientset()

// parallelism is how many nodes are looked at together: one, so that decisions do not depend on who is first. To be
// measured, upstreamsParallelism.
var parallelism int32 = 1

// upstreamsParallelism is the default of the upstream's configuration.
const upstreamsParallelism = 16

// cluster is a scheduler with its cache and its informers' stores filled; the informers do not run, so that nothing
// happens behind our back.
type cluster struct {
	ctx       context.Context
	stop      context.CancelFunc
	logger    klog.Logger
	scheduler *scheduler.Scheduler
	framework framework.Framework
	snapshot  *internalcache.Snapshot
	pods      cache.Indexer
	filters   []fwk.FilterPlugin
	scores    []fwk.ScorePlugin
	preemptor *defaultpreemption.DefaultPreemption
	budgets   []*policyv1.PodDisruptionBudget
	devices   *devices
	// bindings so far.
	clock int
}

func newCluster(all *objects) (*cluster, error) {
	ctx, stop := context.WithCancel(context.Background())
	factory := informers.NewSharedInformerFactory(client, 0)
	recorders := func(string) events.EventRecorderLogger { return events.NewFakeRecorder(0) }
	own := newDevices(all.claims)
	made, err := scheduler.New(ctx, own.client, factory, dynamicinformer.DynamicSharedInformerFactory(nil),
		profile.RecorderFactory(recorders), scheduler.WithParallelism(parallelism))
	if err != nil {
		stop()
		return nil, err
	}
	c := &cluster{ctx: ctx, stop: stop, logger: klog.FromContext(ctx), scheduler: made, budgets: all.budgets, devices: own}
	c.framework = made.Profiles[v1.DefaultSchedulerName]
	c.snapshot = c.framework.SnapshotSharedLister().(*internalcache.Snapshot)
	c.pods = factory.Core().V1().Pods().Informer().GetIndexer()
	c.filters = unexported[[]fwk.FilterPlugin](c.framework, "filterPlugins")
	c.scores = unexported[[]fwk.ScorePlugin](c.framework, "scorePlugins")
	plugins := unexported[map[string]fwk.Plugin](c.framework, "pluginsMap")
	c.preemptor = plugins[defaultpreemption.Name].(*defaultpreemption.DefaultPreemption)
	own.fill(ctx, c.framework, all.claims)
	if err := c.fill(factory, all); err != nil {
		stop()
		return nil, err
	}
	return c, nil
}

// unexported reads a field of the framework that has no getter.
func unexported[T any](of framework.Framework, field string) T {
	value := reflect.ValueOf(of).Elem().FieldByName(field)
	return *(*T)(unsafe.Pointer(value.UnsafeAddr()))
}

// fill puts objects where the scheduler looks for them.
func (c *cluster) fill(factory informers.SharedInformerFactory, all *objects) error {
	for _, object := range all.others {
		var store cache.Store
		switch typed := object.(type) {
		case *v1.Node:
			store = factory.Core().V1().Nodes().Informer().GetIndexer()
			c.scheduler.Cache.AddNode(c.logger, typed)
		case *v1.Namespace:
			store = factory.Core().V1().Namespaces().Informer().GetIndexer()
		case *v1.PersistentVolume:
			store = factory.Core().V1().PersistentVolumes().Informer().GetIndexer()
		case *v1.PersistentVolumeClaim:
			store = factory.Core().V1().PersistentVolumeClaims().Informer().GetIndexer()
		case *v1.Service:
			store = factory.Core().V1().Services().Informer().GetIndexer()
		case *v1.ReplicationController:
			store = factory.Core().V1().ReplicationControllers().Informer().GetIndexer()
		case *resourcev1.DeviceClass:
			store = factory.Resource().V1().DeviceClasses().Informer().GetIndexer()
		case *resourcev1.ResourceSlice:
			store = factory.Resource().V1().ResourceSlices().Informer().GetIndexer()
		case *storagev1.StorageClass:
			store = factory.Storage().V1().StorageClasses().Informer().GetIndexer()
		case *storagev1.CSINode:
			store = factory.Storage().V1().CSINodes().Informer().GetIndexer()
		case *policyv1.PodDisruptionBudget:
			store = factory.Policy().V1().PodDisruptionBudgets().Informer().GetIndexer()
		case *appsv1.ReplicaSet:
			store = factory.Apps().V1().ReplicaSets().Informer().GetIndexer()
		case *appsv1.StatefulSet:
			store = factory.Apps().V1().StatefulSets().Informer().GetIndexer()
		default:
			return fmt.Errorf("there is no store for %T", object)
		}
		if err := store.Add(object); err != nil {
			return err
		}
	}
	for _, pod := range all.bound {
		if err := c.add(pod); err != nil {
			return err
		}
	}
	for _, pod := range all.pending {
		if err := c.pods.Add(pod); err != nil {
			return err
		}
		c.scheduler.SchedulingQueue.Add(c.ctx, pod)
	}
	return nil
}

// add makes a pod known that is bound.
func (c *cluster) add(pod *v1.Pod) error {
	if err := c.pods.Add(pod); err != nil {
		return err
	}
	if pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed {
		return nil
	}
	return c.scheduler.Cache.AddPod(c.logger, pod)
}

// nominate reserves a node for a pod, or gives its reservation up.
func (c *cluster) nominate(pod *v1.Pod, node string) error {
	nominated := pod.DeepCopy()
	nominated.Status.NominatedNodeName = node
	if err := c.pods.Update(nominated); err != nil {
		return err
	}
	c.scheduler.SchedulingQueue.DeleteNominatedPodIfExists(pod)
	if node == "" {
		return nil
	}
	info, err := framework.NewPodInfo(nominated)
	if err != nil {
		return err
	}
	c.scheduler.SchedulingQueue.AddNominatedPod(c.logger, info, &fwk.NominatingInfo{
		NominatedNodeName: node, NominatingMode: fwk.ModeOverride,
	})
	return nil
}
