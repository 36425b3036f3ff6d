// Command overlay settles what the real Karpenter leaves to chance, so that two runs decide alike.
//
// Go iterates over maps in a random order and its sort is not stable. Where that decides (which of several equal
// domains, which of equally dear nodes comes first) any choice is right. The copy of the module made here differs
// from it in these places only: there, the first by name is taken, and equals keep their order. Build with
//
//	go run ./overlay DIR && go build -modfile DIR/go.mod
package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "sigs.k8s.io/karpenter"

// change replaces `count` occurrences of `old` in a file of the module.
type change struct {
	file, old, new string
	count          int
}

const scheduling = "pkg/controllers/provisioning/scheduling/"

var changes = []change{
	// Claims with equally many pods keep their order.
	{scheduling + "scheduler.go", "sort.Slice(s.newNodeClaims,", "sort.SliceStable(s.newNodeClaims,", 1},
	// Groups of instance types in the order of their DaemonSets.
	{scheduling + "scheduler.go", "lo.Map(lo.Values(groups), func(g *DaemonOverheadGroup, _ int)",
		"lo.Map(byKey(groups), func(g *DaemonOverheadGroup, _ int)", 1},
	{scheduling + "scheduler.go", "type DaemonOverheadGroup struct {", `func byKey(groups map[string]*DaemonOverheadGroup) []*DaemonOverheadGroup {
	keys := lo.Keys(groups)
	sort.Strings(keys)
	return lo.Map(keys, func(key string, _ int) *DaemonOverheadGroup { return groups[key] })
}

type DaemonOverheadGroup struct {`, 1},
	// Of equal domains, the first by name.
	{scheduling + "topologygroup.go", "for domain := range t.domains {", "for _, domain := range sets.List(sets.KeySet(t.domains)) {", 5},
	{"pkg/scheduling/requirement.go", "return r.values.UnsortedList()\n", "return sets.List(r.values)\n", 1},
	{"pkg/scheduling/requirement.go", "r.values.UnsortedList()[0]", "sets.List(r.values)[0]", 1},
	// Of equally dear instance types, the first by name.
	{"pkg/cloudprovider/types.go", "return iPrice < jPrice\n", "return iPrice < jPrice || iPrice == jPrice && its[i].Name < its[j].Name\n", 1},
	// Nodes in the order of their provider ids, and equal candidates in that of nodes.
	{"pkg/controllers/state/cluster.go", "return lo.Map(lo.Values(c.nodes), func(n *StateNode, _ int) *StateNode {\n\t\treturn n.DeepCopy()",
		"return lo.Map(sets.List(sets.KeySet(c.nodes)), func(id string, _ int) *StateNode {\n\t\treturn c.nodes[id].DeepCopy()", 1},
	{"pkg/controllers/state/cluster.go", "for _, node := range c.nodes {\n\t\t\tif !yield(node) {", "for _, id := range sets.List(sets.KeySet(c.nodes)) {\n\t\t\tif !yield(c.nodes[id]) {", 1},
	{"pkg/controllers/static/deprovisioning/controller.go", "slices.SortFunc(nonEmptyNodes,", "slices.SortStableFunc(nonEmptyNodes,", 1},
	{"pkg/controllers/disruption/consolidation.go", "sort.Slice(candidates,", "sort.SliceStable(candidates,", 1},
	{"pkg/controllers/disruption/drift.go", "sort.Slice(candidates,", "sort.SliceStable(candidates,", 1},
	// What a round of provisioning does about CapacityBuffers is called from outside.
	{"pkg/controllers/provisioning/buffers.go", "func (p *Provisioner) listAllBuffers(", `func (p *Provisioner) SayOfBuffers(ctx context.Context, results scheduler.Results) error {
	return p.updateBufferProvisioningStatus(ctx, results)
}

func BufferPodCounts(results scheduler.Results) map[string]int { return bufferPodCountsFromResults(results) }

func (p *Provisioner) listAllBuffers(`, 1},
	// Pools take turns by name.
	{"pkg/controllers/disruption/singlenodeconsolidation.go", "lo.Filter(lo.Keys(nodePoolCandidates),",
		"lo.Filter(sets.List(sets.KeySet(nodePoolCandidates)),", 1},
}

const setsImport = `"k8s.io/apimachinery/pkg/util/sets"`

func main() {
	if len(os.Args) != 2 {
		fail("usage: overlay DIR")
	}
	dir, err := filepath.Abs(os.Args[1])
	check(err)
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	check(err)
	settled := filepath.Join(dir, "karpenter")
	check(os.RemoveAll(settled))
	for _, part := range []string{"pkg", "go.mod"} {
		copyAll(filepath.Join(strings.TrimSpace(string(out)), part), filepath.Join(settled, part))
	}
	for _, c := range changes {
		c.apply(filepath.Join(settled, c.file))
	}
	own, err := os.ReadFile("go.mod")
	check(err)
	replace := fmt.Sprintf("\nreplace %s => %s\n", module, settled)
	check(os.WriteFile(filepath.Join(dir, "go.mod"), append(own, replace...), 0o644))
	sums, err := os.ReadFile("go.sum")
	check(err)
	check(os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
}

// apply makes one change, which must be possible exactly as often as it says.
func (c change) apply(path string) {
	text, err := os.ReadFile(path)
	check(err)
	if found := strings.Count(string(text), c.old); found != c.count {
		fail(fmt.Sprintf("%s: %q is there %d times, not %d", c.file, c.old, found, c.count))
	}
	changed := strings.ReplaceAll(string(text), c.old, c.new)
	if strings.Contains(changed, "sets.List(") && !strings.Contains(changed, setsImport) {
		changed = strings.Replace(changed, "import (", "import (\n\t"+setsImport, 1)
	}
	check(os.WriteFile(path, []byte(changed), 0o644))
}

// copyAll copies a file, or a directory without its tests, and makes what it writes writable.
func copyAll(from, to string) {
	check(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	}))
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "overlay:", message)
	os.Exit(1)
}
