// Command kube-scheduler answers what kube-scheduler's own framework decides about clusters: one JSON line in, one
// out. It runs the upstream's code in this process, with its default profile, and adds nothing to its rules. Where
// the upstream chooses at random (equal scores, equal preemption candidates) the lowest name is taken, and all
// equals are told.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/klog/v2"
)

// question is one line of input.
type question struct {
	Seed    json.RawMessage   `json:"seed"`
	Objects []json.RawMessage `json:"objects"`
}

// answer is one line of output.
type answer struct {
	Seed    json.RawMessage `json:"seed,omitempty"`
	Error   string          `json:"error,omitempty"`
	Refused []string        `json:"refused"`
	Pods    []*decision     `json:"pods"`
}

func main() {
	klog.InitFlags(nil)
	perf := flag.String("perf", "", "measure: the upstream's test/integration/scheduler_perf")
	workload := flag.String("workload", "", "measure: GROUP/CASE/WORKLOAD of it")
	set := flag.String("set", "", "measure: other parameters, as in initNodes=100,initPods=50")
	most := flag.Int("pods", 0, "measure: at most so many pods; 0 for all")
	flag.Parse()
	if *workload != "" {
		parts := strings.Split(*workload, "/")
		if len(parts) != 3 {
			fmt.Fprintln(os.Stderr, "-workload takes GROUP/CASE/WORKLOAD")
			os.Exit(1)
		}
		parallelism = upstreamsParallelism
		if err := measure(*perf, parts, *set, *most); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for {
		line, err := input.ReadBytes('\n')
		if len(line) > 1 {
			if err := encoder.Encode(respond(line)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			output.Flush()
		}
		if err != nil {
			return
		}
	}
}

func respond(line []byte) *answer {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return &answer{Error: err.Error()}
	}
	result := &answer{Seed: asked.Seed, Refused: []string{}, Pods: []*decision{}}
	objects, refused, err := read(asked.Objects)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.Refused = append(result.Refused, refused...)
	pods, err := play(objects)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.Pods = append(result.Pods, pods...)
	return result
}
