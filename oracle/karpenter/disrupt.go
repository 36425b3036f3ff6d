package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// unchanged stands for the 15 seconds in which nothing happens: the command is what it was.
type unchanged struct{}

func (unchanged) Validate(_ context.Context, command disruption.Command, _ time.Duration) (disruption.Command, error) {
	return command, nil
}

// disrupt asks each method in Karpenter's order, and answers with the commands of the first that has any.
//
// With CapacityBuffers a round of provisioning comes first: it says which nodes keep room, and holds nodes for pods.
func (w *world) disrupt() (Answer, error) {
	var said map[string]string
	if options.FromContext(w.ctx).FeatureGates.CapacityBuffer {
		results, err := w.provisioner.Schedule(w.ctx)
		if err != nil {
			return Answer{}, err
		}
		if said, err = w.planForBuffers(results); err != nil {
			return Answer{}, err
		}
	}
	queue := disruption.NewQueue(w.memory, silent{}, w.cluster, w.clock, w.provisioner)
	base := disruption.MakeConsolidation(w.clock, w.cluster, w.memory, w.provisioner, w.provider, silent{}, queue)
	at := disruption.WithValidator(unchanged{})
	methods := []disruption.Method{
		disruption.NewEmptiness(base, at),
		disruption.NewStaticDrift(w.cluster, w.provisioner, w.provider),
		disruption.NewDrift(w.memory, w.cluster, w.provisioner, silent{}, w.clock),
		disruption.NewMultiNodeConsolidation(base, at),
		disruption.NewSingleNodeConsolidation(base, at),
	}
	for _, method := range methods {
		commands, err := w.try(method, queue)
		if err != nil || len(commands) > 0 {
			return Answer{Commands: commands, Buffers: said}, err
		}
	}
	return Answer{Buffers: said}, nil
}

func (w *world) try(method disruption.Method, queue *disruption.Queue) ([]Command, error) {
	candidates, totals, err := disruption.GetCandidatesWithTotals(
		w.ctx, w.cluster, w.memory, silent{}, w.clock, w.provider, method.ShouldDisrupt, method.Class(), queue, nil)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	if setter, ok := method.(disruption.NodePoolTotalsSetter); ok {
		setter.SetNodePoolTotals(totals)
	}
	budgets, err := disruption.BuildDisruptionBudgetMapping(
		w.ctx, w.cluster, w.clock, w.memory, w.provider, silent{}, method.Reason())
	if err != nil {
		return nil, err
	}
	found, err := method.ComputeCommands(w.ctx, budgets, candidates...)
	var commands []Command
	for _, command := range found {
		if command.Decision() != disruption.NoOpDecision {
			name := strings.TrimPrefix(fmt.Sprintf("%T", method), "*disruption.")
			described := commandOf(name, command)
			described.Reason = string(method.Reason())
			commands = append(commands, described)
		}
	}
	return commands, err
}
