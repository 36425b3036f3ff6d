// Command karpenter answers, line by line, what the real Karpenter decides.
//
// It reads one question a line on standard input (see question.go), builds the state that Karpenter would have from
// the objects in it, runs Karpenter's own code over it in this process, and writes one answer a line (see answer.go).
// Nothing here decides anything: what Karpenter leaves to chance is settled by the overlay (see overlay/).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	log.SetLogger(logr.Discard())
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "karpenter oracle:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriter(out)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			if err := json.NewEncoder(writer).Encode(reply(line)); err != nil {
				return err
			}
			if err := writer.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reply answers one line; a question that cannot be read, or that makes Karpenter panic, is answered with an error.
func reply(line []byte) (answer Answer) {
	defer func() {
		if cause := recover(); cause != nil {
			answer = Answer{Error: fmt.Sprintf("panic: %v", cause)}
		}
	}()
	var question Question
	if err := json.Unmarshal(line, &question); err != nil {
		return Answer{Error: "question: " + err.Error()}
	}
	world, err := build(&question)
	if err != nil {
		return Answer{Seed: question.Seed, Error: "state: " + err.Error()}
	}
	switch question.Ask {
	case "disrupt":
		answer, err = world.disrupt()
	case "replicas":
		answer, err = world.replicas()
	default:
		answer, err = world.provision()
	}
	if err != nil {
		answer.Error = err.Error()
	}
	answer.Seed = question.Seed
	return answer
}
