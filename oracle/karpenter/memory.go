package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

var errReadOnly = errors.New("the oracle's API server only answers")

// memory is an API server that only answers: objects by kind, in name order. Claims that are created or deleted are
// noted, and nothing changes.
type memory struct {
	client.Client // absent: whatever is not defined below panics
	asked         asked
	kinds         map[string][]client.Object
	index         map[string]map[client.ObjectKey]client.Object
}

// asked is what was to be changed.
type asked struct {
	sync.Mutex
	// accepts says whether anything may be asked for.
	accepts bool
	created []*v1.NodeClaim
	deleted []string
}

// Create notes a claim. It gets a name, which is not part of the answer.
func (m *memory) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	m.asked.Lock()
	defer m.asked.Unlock()
	claim, ok := object.(*v1.NodeClaim)
	if !ok || !m.asked.accepts {
		return errReadOnly
	}
	claim.Name = fmt.Sprintf("new-%s-%d", claim.Labels[v1.NodePoolLabelKey], len(m.asked.created))
	m.asked.created = append(m.asked.created, claim)
	return nil
}

// Delete notes a claim.
func (m *memory) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	m.asked.Lock()
	defer m.asked.Unlock()
	if !m.asked.accepts {
		return errReadOnly
	}
	m.asked.deleted = append(m.asked.deleted, object.GetName())
	return nil
}

func newMemory(objects []client.Object) (*memory, error) {
	m := &memory{kinds: map[string][]client.Object{}, index: map[string]map[client.ObjectKey]client.Object{}}
	for _, object := range objects {
		kind, err := kindOf(object)
		if err != nil {
			return nil, err
		}
		m.kinds[kind] = append(m.kinds[kind], object)
		if m.index[kind] == nil {
			m.index[kind] = map[client.ObjectKey]client.Object{}
		}
		m.index[kind][client.ObjectKeyFromObject(object)] = object
	}
	for _, all := range m.kinds {
		sort.SliceStable(all, func(i, j int) bool {
			if all[i].GetNamespace() != all[j].GetNamespace() {
				return all[i].GetNamespace() < all[j].GetNamespace()
			}
			return all[i].GetName() < all[j].GetName()
		})
	}
	return m, nil
}

func kindOf(object runtime.Object) (string, error) {
	kind, err := apiutil.GVKForObject(object, scheme.Scheme)
	return strings.TrimSuffix(kind.Kind, "List"), err
}

func (m *memory) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind, err := kindOf(into)
	if err != nil {
		return err
	}
	found, ok := m.index[kind][key]
	if !ok {
		// Some callers name a namespace for what has none.
		found, ok = m.index[kind][client.ObjectKey{Name: key.Name}]
	}
	if !ok {
		// As the cache that Karpenter reads from says it.
		full, err := apiutil.GVKForObject(into, scheme.Scheme)
		if err != nil {
			return err
		}
		return apierrors.NewNotFound(schema.GroupResource{Group: full.Group, Resource: kind}, key.Name)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
	return nil
}

func (m *memory) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	kind, err := kindOf(into)
	if err != nil {
		return err
	}
	var options client.ListOptions
	options.ApplyOptions(opts)
	var found []runtime.Object
	for _, object := range m.kinds[kind] {
		if matches(object, &options) {
			found = append(found, object.DeepCopyObject())
		}
	}
	return meta.SetList(into, found)
}

func matches(object client.Object, options *client.ListOptions) bool {
	if options.Namespace != "" && options.Namespace != object.GetNamespace() {
		return false
	}
	if options.LabelSelector != nil && !options.LabelSelector.Matches(labelsOf(object)) {
		return false
	}
	return options.FieldSelector == nil || options.FieldSelector.Matches(indexed(object))
}

// indexed has the fields that Karpenter's cache is indexed by.
func indexed(object client.Object) fields.Set {
	switch object := object.(type) {
	case *corev1.Pod:
		return fields.Set{"spec.nodeName": object.Spec.NodeName}
	case *corev1.Node:
		return fields.Set{"spec.providerID": object.Spec.ProviderID}
	case *v1.NodeClaim:
		return fields.Set{"status.providerID": object.Status.ProviderID}
	default:
		return fields.Set{}
	}
}

// Status is only asked for by the controller that sets conditions; what it writes is kept.
func (m *memory) Status() client.SubResourceWriter { return statusWriter{memory: m} }

type statusWriter struct {
	client.SubResourceWriter
	memory *memory
}

func (w statusWriter) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	kind, err := kindOf(object)
	if err != nil {
		return err
	}
	found, ok := w.memory.index[kind][client.ObjectKeyFromObject(object)]
	if !ok {
		return errReadOnly
	}
	reflect.ValueOf(found).Elem().Set(reflect.ValueOf(object.DeepCopyObject()).Elem())
	return nil
}
