package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	core "k8s.io/kubernetes/pkg/apis/core"
	registrypod "k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds"
	"k8s.io/kubernetes/plugin/pkg/admission/runtimeclass"

	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// longAgo is when pods that do not say otherwise were started.
var longAgo = metav1.NewTime(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))

// objects are the objects of one line, decoded, defaulted and admitted as the API server would.
type objects struct {
	// all but pods, in the order of the line.
	others []runtime.Object
	// bound pods and pending ones, in the order of the line.
	bound, pending []*v1.Pod
	classes        map[string]*schedulingv1.PriorityClass
	budgets        []*policyv1.PodDisruptionBudget
	claims         []*resourcev1.ResourceClaim
	// what is admitted with the runtime classes of the line.
	runtimes       *runtimeclass.RuntimeClass
	runtimeClasses informers.SharedInformerFactory
}

func newObjects() *objects {
	all := &objects{
		classes:        map[string]*schedulingv1.PriorityClass{},
		runtimes:       runtimeclass.NewRuntimeClass(),
		runtimeClasses: informers.NewSharedInformerFactory(client, 0),
	}
	all.runtimes.SetExternalKubeInformerFactory(all.runtimeClasses)
	all.runtimes.SetExternalKubeClientSet(client)
	return all
}

// read decodes the objects of a line; pods that the API server would refuse are named and left out.
func read(raws []json.RawMessage) (*objects, []string, error) {
	all := newObjects()
	var pods []*v1.Pod
	for _, raw := range raws {
		object, _, err := legacyscheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			return nil, nil, err
		}
		legacyscheme.Scheme.Default(object)
		switch typed := object.(type) {
		case *v1.Pod:
			pods = append(pods, typed)
		case *schedulingv1.PriorityClass:
			all.classes[typed.Name] = typed
		case *policyv1.PodDisruptionBudget:
			all.budgets = append(all.budgets, typed)
			all.others = append(all.others, typed)
		case *nodev1.RuntimeClass:
			if err := all.runtimeClasses.Node().V1().RuntimeClasses().Informer().GetIndexer().Add(typed); err != nil {
				return nil, nil, err
			}
		case *v1.Namespace:
			if typed.Labels == nil {
				typed.Labels = map[string]string{}
			}
			typed.Labels[v1.LabelMetadataName] = typed.Name
			all.others = append(all.others, typed)
		case *resourcev1.ResourceClaim:
			if typed.UID == "" {
				typed.UID = types.UID("claim-" + typed.Namespace + "-" + typed.Name)
			}
			all.claims = append(all.claims, typed)
		case *resourcev1.DeviceClass, *resourcev1.ResourceSlice:
			all.others = append(all.others, typed)
		case *v1.Node, *v1.PersistentVolume, *v1.PersistentVolumeClaim, *v1.Service, *v1.ReplicationController,
			*storagev1.StorageClass, *storagev1.CSINode, *appsv1.ReplicaSet, *appsv1.StatefulSet:
			all.others = append(all.others, typed)
		default:
			return nil, nil, fmt.Errorf("objects of type %T are not known here", object)
		}
	}
	all.giveClass()
	refused, err := all.admit(pods)
	return all, refused, err
}

// giveClass does what the admission plugin DefaultStorageClass does; a line has one default class at most.
func (all *objects) giveClass() {
	for _, object := range all.others {
		class, ok := object.(*storagev1.StorageClass)
		if !ok || class.Annotations["storageclass.kubernetes.io/is-default-class"] != "true" {
			continue
		}
		for _, other := range all.others {
			claim, ok := other.(*v1.PersistentVolumeClaim)
			if ok && claim.Spec.StorageClassName == nil && claim.Status.Phase != v1.ClaimBound {
				claim.Spec.StorageClassName = &class.Name
			}
		}
	}
}

// admit takes pods in as the API server does: priority, tolerations, preparation, validation.
func (all *objects) admit(pods []*v1.Pod) ([]string, error) {
	var refused []string
	for _, pod := range pods {
		if pod.Namespace == "" {
			pod.Namespace = metav1.NamespaceDefault
		}
		pod.UID = types.UID("pod-" + pod.Namespace + "-" + pod.Name)
		name := pod.Namespace + "/" + pod.Name
		if !all.prioritize(pod) {
			refused = append(refused, name)
			continue
		}
		admitted, why, err := all.create(pod)
		if err != nil {
			return nil, err
		}
		// Pods that are bound were accepted, whatever the rules are today.
		if why != "" && pod.Spec.NodeName == "" {
			klog.InfoS("The API server would refuse it", "pod", name, "why", why)
			refused = append(refused, name)
			continue
		}
		if admitted.Spec.NodeName == "" {
			all.pending = append(all.pending, admitted)
			continue
		}
		if admitted.Status.StartTime == nil {
			admitted.Status.StartTime = longAgo.DeepCopy()
		}
		all.bound = append(all.bound, admitted)
	}
	return refused, nil
}

// prioritize does what the admission plugin Priority does.
func (all *objects) prioritize(pod *v1.Pod) bool {
	var value int32
	policy := v1.PreemptLowerPriority
	class := pod.Spec.PriorityClassName
	if class == "" {
		for _, candidate := range all.classes {
			if candidate.GlobalDefault && (class == "" || candidate.Value < all.classes[class].Value) {
				class = candidate.Name
			}
		}
	}
	if class != "" {
		found, ok := all.classes[class]
		if !ok {
			return false
		}
		value = found.Value
		if found.PreemptionPolicy != nil {
			policy = *found.PreemptionPolicy
		}
	}
	if pod.Spec.Priority != nil && *pod.Spec.Priority != value {
		return false
	}
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy != policy {
		return false
	}
	pod.Spec.PriorityClassName, pod.Spec.Priority, pod.Spec.PreemptionPolicy = class, &value, &policy
	return true
}

// create runs the registry's strategy over a pod; its status is kept, as if written afterwards.
func (all *objects) create(pod *v1.Pod) (*v1.Pod, string, error) {
	status, deleted := pod.Status, pod.DeletionTimestamp
	internal := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(pod, internal, nil); err != nil {
		return nil, "", err
	}
	internal.DeletionTimestamp = nil
	ctx := context.Background()
	attributes := admission.NewAttributesRecord(internal, nil, core.Kind("Pod").WithVersion("version"), pod.Namespace,
		pod.Name, core.Resource("pods").WithVersion("version"), "", admission.Create, &metav1.CreateOptions{}, false, nil)
	tolerations := defaulttolerationseconds.NewDefaultTolerationSeconds()
	tolerations.InspectFeatureGates(feature.DefaultFeatureGate)
	if err := tolerations.Admit(ctx, attributes, nil); err != nil {
		return nil, "", err
	}
	why := ""
	if err := all.runtimes.Admit(ctx, attributes, nil); err != nil {
		why = err.Error()
	}
	registrypod.Strategy.PrepareForCreate(ctx, internal)
	if problems := registrypod.Strategy.Validate(ctx, internal); len(problems) > 0 {
		why = problems.ToAggregate().Error()
	}
	created := &v1.Pod{}
	if err := legacyscheme.Scheme.Convert(internal, created, nil); err != nil {
		return nil, "", err
	}
	created.Status, created.DeletionTimestamp = status, deleted
	return created, why, nil
}
