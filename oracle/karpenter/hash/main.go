// Writes NodePool templates and the hashes that Karpenter gives them, one JSON object a line: what the tests of
// plimsoll's own hash compare with. `TZ=UTC go run ./hash`: instants are hashed with the zone of the controller.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

type entry struct {
	Template v1.NodeClaimTemplate `json:"template"`
	Hash     string               `json:"hash"`
}

func main() {
	random := rand.New(rand.NewSource(1))
	out := json.NewEncoder(os.Stdout)
	for i := 0; i < 300; i++ {
		pool := v1.NodePool{}
		pool.Spec.Template = template(random)
		// As it comes back from an API server.
		text, err := json.Marshal(pool)
		must(err)
		read := v1.NodePool{}
		must(json.Unmarshal(text, &read))
		must(out.Encode(entry{Template: read.Spec.Template, Hash: read.Hash()}))
	}
}

func template(random *rand.Rand) v1.NodeClaimTemplate {
	made := v1.NodeClaimTemplate{
		ObjectMeta: v1.ObjectMeta{Labels: words(random), Annotations: words(random)},
		Spec: v1.NodeClaimTemplateSpec{
			Taints:        taints(random),
			StartupTaints: taints(random),
			Requirements: []v1.NodeSelectorRequirementWithMinValues{
				{Key: "kubernetes.io/os", Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"}},
			},
			NodeClassRef: &v1.NodeClassReference{Group: word(random), Kind: word(random), Name: word(random)},
		},
	}
	switch random.Intn(4) {
	case 0:
		made.Spec.ExpireAfter = v1.MustParseNillableDuration("Never")
	case 1:
		made.Spec.ExpireAfter = v1.MustParseNillableDuration("0s")
	default:
		made.Spec.ExpireAfter = v1.MustParseNillableDuration(fmt.Sprintf("%dh%dm", random.Intn(1000), random.Intn(60)))
	}
	switch random.Intn(3) {
	case 0:
		made.Spec.TerminationGracePeriod = &metav1.Duration{Duration: time.Duration(random.Intn(90000)) * time.Second}
	case 1:
		made.Spec.TerminationGracePeriod = &metav1.Duration{}
	}
	return made
}

func words(random *rand.Rand) map[string]string {
	made := map[string]string{}
	for i := random.Intn(4); i > 0; i-- {
		made["example.com/"+word(random)] = word(random)
	}
	return made
}

func taints(random *rand.Rand) []corev1.Taint {
	made := []corev1.Taint{}
	effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule}
	for i := random.Intn(4); i > 0; i-- {
		taint := corev1.Taint{Key: word(random), Effect: effects[random.Intn(len(effects))]}
		if random.Intn(2) == 0 {
			taint.Value = word(random)
		}
		if random.Intn(4) == 0 {
			added := metav1.NewTime(time.Unix(int64(random.Intn(2000000000)), 0))
			taint.TimeAdded = &added
		}
		made = append(made, taint)
	}
	return made
}

func word(random *rand.Rand) string {
	letters := []rune("abcdefgh-é.")
	made := make([]rune, 1+random.Intn(9))
	for i := range made {
		made[i] = letters[random.Intn(len(letters))]
	}
	return string(made)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
