package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// Question is one input line.
type Question struct {
	Seed uint64 `json:"seed"`
	// Ask is "provision", "disrupt" or "replicas".
	Ask string `json:"ask"`
	// Now is the clock, in seconds since 1970.
	Now           int64          `json:"now"`
	Settings      Settings       `json:"settings"`
	WellKnown     []string       `json:"wellKnown"`
	InstanceTypes []InstanceType `json:"instanceTypes"`
	// Overlays give a pool instance types of its own, by name; without an entry a pool has all of them.
	PoolTypes map[string][]string `json:"poolTypes"`
	Objects   []json.RawMessage   `json:"objects"`
}

// Settings are Karpenter's own.
type Settings struct {
	IgnorePreferences   bool `json:"ignorePreferences"`
	MinValuesBestEffort bool `json:"minValuesBestEffort"`
	SpotToSpot          bool `json:"spotToSpot"`
	ReservedCapacity    bool `json:"reservedCapacity"`
	NodeOverlay         bool `json:"nodeOverlay"`
	CapacityBuffer      bool `json:"capacityBuffer"`
}

// InstanceType is what can be bought.
type InstanceType struct {
	Name         string                                    `json:"name"`
	Capacity     corev1.ResourceList                       `json:"capacity"`
	Overhead     corev1.ResourceList                       `json:"overhead"`
	Requirements []v1.NodeSelectorRequirementWithMinValues `json:"requirements"`
	Offerings    []Offering                                `json:"offerings"`
}

// Offering is one way to buy it. Prices are whole numbers, so that sums of them are exact.
type Offering struct {
	Zone         string `json:"zone"`
	CapacityType string `json:"capacityType"`
	Price        int64  `json:"price"`
	Available    bool   `json:"available"`
	Reservation  string `json:"reservation"`
	Count        int    `json:"count"`
}

func (q *Question) options() *options.Options {
	return &options.Options{
		BatchMaxDuration:  10 * time.Second,
		BatchIdleDuration: time.Second,
		CPURequests:       1000,
		PreferencePolicy:  lo.Ternary(q.Settings.IgnorePreferences, options.PreferencePolicyIgnore, options.PreferencePolicyRespect),
		MinValuesPolicy:   lo.Ternary(q.Settings.MinValuesBestEffort, options.MinValuesPolicyBestEffort, options.MinValuesPolicyStrict),
		IgnoreDRARequests: true,
		FeatureGates: options.FeatureGates{
			SpotToSpotConsolidation: q.Settings.SpotToSpot,
			ReservedCapacity:        q.Settings.ReservedCapacity,
			NodeOverlay:             q.Settings.NodeOverlay,
			CapacityBuffer:          q.Settings.CapacityBuffer,
		},
	}
}

func (t *InstanceType) real() *cloudprovider.InstanceType {
	return &cloudprovider.InstanceType{
		Name:         t.Name,
		Requirements: scheduling.NewNodeSelectorRequirementsWithMinValues(t.Requirements...),
		Offerings:    lo.Map(t.Offerings, func(o Offering, _ int) *cloudprovider.Offering { return o.real() }),
		Capacity:     t.Capacity,
		Overhead:     &cloudprovider.InstanceTypeOverhead{KubeReserved: t.Overhead},
	}
}

func (o Offering) real() *cloudprovider.Offering {
	labels := map[string]string{v1.CapacityTypeLabelKey: o.CapacityType, corev1.LabelTopologyZone: o.Zone}
	requirements := scheduling.NewLabelRequirements(labels)
	if o.CapacityType == v1.CapacityTypeReserved {
		requirements.Add(scheduling.NewRequirement(cloudprovider.ReservationIDLabel, corev1.NodeSelectorOpIn, o.Reservation))
	} else if cloudprovider.ReservationIDLabel != "" {
		requirements.Add(scheduling.NewRequirement(cloudprovider.ReservationIDLabel, corev1.NodeSelectorOpDoesNotExist))
	}
	return &cloudprovider.Offering{
		Requirements:        requirements,
		Price:               float64(o.Price),
		Available:           o.Available,
		ReservationCapacity: o.Count,
	}
}

// decode reads the objects of a question.
func decode(raw []json.RawMessage) ([]client.Object, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme).UniversalDeserializer()
	objects := make([]client.Object, 0, len(raw))
	for _, text := range raw {
		object, err := runtime.Decode(decoder, text)
		if err != nil {
			return nil, err
		}
		known, ok := object.(client.Object)
		if !ok {
			return nil, fmt.Errorf("%T is not an object", object)
		}
		objects = append(objects, known)
	}
	return objects, nil
}
