package main

import (
	"context"
	"errors"

	"github.com/awslabs/operatorpkg/status"
	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/test/v1alpha1"
)

// nodeClass stands for the provider's node class: only its kind counts.
type nodeClass struct {
	v1alpha1.TestNodeClass
}

func (n *nodeClass) DeepCopyObject() runtime.Object {
	return &nodeClass{TestNodeClass: *n.TestNodeClass.DeepCopy()}
}

var nodeClassKind = schema.GroupVersionKind{Group: "karpenter.k8s.aws", Version: "v1", Kind: "EC2NodeClass"}

func init() {
	scheme.Scheme.AddKnownTypeWithName(nodeClassKind, &nodeClass{})
	cloudprovider.ReservationIDLabel = "karpenter.k8s.aws/capacity-reservation-id"
	cloudprovider.ReservedCapacityLabels.Insert(cloudprovider.ReservationIDLabel)
}

// setWellKnown makes exactly these labels well known, as a cloud provider does when it starts.
func setWellKnown(labels []string) {
	for label := range v1.WellKnownLabels {
		v1.WellKnownLabels.Delete(label)
	}
	v1.WellKnownLabels.Insert(labels...)
}

// provider sells the instance types of a question.
type provider struct {
	types  []*cloudprovider.InstanceType
	byPool map[string]sets.Set[string]
}

var errNothing = errors.New("the oracle launches nothing")

func (p *provider) Create(context.Context, *v1.NodeClaim) (*v1.NodeClaim, error) {
	return nil, errNothing
}
func (p *provider) Delete(context.Context, *v1.NodeClaim) error        { return errNothing }
func (p *provider) Get(context.Context, string) (*v1.NodeClaim, error) { return nil, errNothing }
func (p *provider) List(context.Context) ([]*v1.NodeClaim, error)      { return nil, nil }
func (p *provider) RepairPolicies() []cloudprovider.RepairPolicy       { return nil }
func (p *provider) Name() string                                       { return "oracle" }

func (p *provider) GetInstanceTypes(_ context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	names, ok := p.byPool[pool.Name]
	if !ok {
		return p.types, nil
	}
	return lo.Filter(p.types, func(t *cloudprovider.InstanceType, _ int) bool { return names.Has(t.Name) }), nil
}

// IsDrifted says what an annotation says.
func (p *provider) IsDrifted(_ context.Context, claim *v1.NodeClaim) (cloudprovider.DriftReason, error) {
	if claim.Annotations["oracle/drifted"] == "true" {
		return "ProviderDrifted", nil
	}
	return "", nil
}

func (p *provider) GetSupportedNodeClasses() []status.Object { return []status.Object{&nodeClass{}} }
