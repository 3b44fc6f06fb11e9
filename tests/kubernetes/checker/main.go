// Checks manifests as an API server would, without one: each object is decoded strictly into its official type,
// defaulted, converted and validated by Kubernetes' own code, and pods are held against the Pod Security Standard
// "restricted". Arguments are files; an object a line goes to stdout, as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	sigsyaml "sigs.k8s.io/yaml"
)

// What an API server does with a new object of a kind.
var strategies = map[string]rest.RESTCreateStrategy{
	"DaemonSet.apps":                  daemonset.Strategy,
	"Deployment.apps":                 deployment.Strategy,
	"StatefulSet.apps":                statefulset.Strategy,
	"ConfigMap":                       configmap.Strategy,
	"PersistentVolumeClaim":           persistentvolumeclaim.Strategy,
	"Secret":                          secret.Strategy,
	"Service":                         service.Strategy,
	"ServiceAccount":                  serviceaccount.Strategy,
	"NetworkPolicy.networking.k8s.io": networkpolicy.Strategy,
	"PodDisruptionBudget.policy":      poddisruptionbudget.Strategy,
}

// What became of an object: it was "validated", or "decoded" where its type alone is known here, or is "unknown".
type result struct {
	File     string   `json:"file"`
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Checked  string   `json:"checked"`
	Problems []string `json:"problems"`
}

type checker struct {
	builtIn, custom runtime.Decoder
	security        policy.Evaluator
}

func main() {
	known, err := newChecker()
	for _, file := range os.Args[1:] {
		if err == nil {
			err = known.file(file, json.NewEncoder(os.Stdout))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func newChecker() (*checker, error) {
	security, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	custom := runtime.NewScheme()
	if err := monitoring.AddToScheme(custom); err != nil {
		return nil, err
	}
	return &checker{strictly(legacyscheme.Scheme), strictly(custom), security}, nil
}

func strictly(scheme *runtime.Scheme) runtime.Decoder {
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

func (c *checker) file(name string, out *json.Encoder) error {
	opened, err := os.Open(name)
	if err != nil {
		return err
	}
	defer opened.Close()
	documents := yaml.NewYAMLReader(bufio.NewReader(opened))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found, err := c.document(document)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if found == nil {
			continue
		}
		found.File = name
		if err := out.Encode(found); err != nil {
			return err
		}
	}
}

func (c *checker) document(document []byte) (*result, error) {
	var named metav1.PartialObjectMetadata
	if err := sigsyaml.Unmarshal(document, &named); err != nil {
		return nil, err
	}
	kind := named.GroupVersionKind()
	if kind.Kind == "" {
		return nil, nil // comments alone
	}
	found := &result{Kind: kind.Kind, Name: named.Name, Checked: "unknown", Problems: []string{}}
	if strategy, is := strategies[kind.GroupKind().String()]; is {
		found.Checked, found.Problems = "validated", append(found.Problems, c.validate(document, kind, strategy)...)
	} else if kind.Group == monitoring.SchemeGroupVersion.Group {
		found.Checked = "decoded"
		if _, _, err := c.custom.Decode(document, nil, nil); err != nil {
			found.Problems = append(found.Problems, err.Error())
		}
	}
	return found, nil
}

// What an API server would say against an object, and what it would warn of.
func (c *checker) validate(document []byte, kind schema.GroupVersionKind, strategy rest.RESTCreateStrategy) []string {
	object, _, err := c.builtIn.Decode(document, nil, nil)
	if err != nil {
		return []string{err.Error()}
	}
	legacyscheme.Scheme.Default(object)
	problems := c.insecure(object)
	internal, err := legacyscheme.Scheme.ConvertToVersion(object, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return append(problems, err.Error())
	}
	about, err := meta.Accessor(internal)
	if err != nil {
		return append(problems, err.Error())
	}
	if about.GetNamespace() == "" {
		about.SetNamespace(metav1.NamespaceDefault)
	}
	rest.FillObjectMetaSystemFields(about)
	if service, is := internal.(*core.Service); is && service.Spec.ClusterIP == core.ClusterIPNone {
		service.Spec.ClusterIPs = []string{core.ClusterIPNone} // as its storage does before it is validated
	}
	asked := request.WithRequestInfo(request.WithNamespace(context.Background(), about.GetNamespace()), &request.RequestInfo{
		APIGroup: kind.Group, APIVersion: kind.Version, Namespace: about.GetNamespace(), Name: about.GetName(),
	})
	if err := rest.BeforeCreate(strategy, asked, internal); err != nil {
		problems = append(problems, err.Error())
	}
	return append(problems, strategy.WarningsOnCreate(asked, internal)...)
}

// What the Pod Security Standard "restricted" has against the pods of an object.
func (c *checker) insecure(object runtime.Object) []string {
	var pods *corev1.PodTemplateSpec
	switch owner := object.(type) {
	case *appsv1.DaemonSet:
		pods = &owner.Spec.Template
	case *appsv1.Deployment:
		pods = &owner.Spec.Template
	case *appsv1.StatefulSet:
		pods = &owner.Spec.Template
	default:
		return nil
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	judged := policy.AggregateCheckResults(c.security.EvaluatePod(level, &pods.ObjectMeta, &pods.Spec))
	if judged.Allowed {
		return nil
	}
	return []string{"not restricted: " + judged.ForbiddenDetail()}
}
