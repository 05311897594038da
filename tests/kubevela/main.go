// What the tests need of KubeVela: its own rendering and documentation of a TraitDefinition, without a cluster.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"cuelang.org/go/cue/cuecontext"
	"github.com/kubevela/pkg/cue/cuex"
	"github.com/kubevela/workflow/pkg/cue/model"
	"github.com/oam-dev/kubevela/apis/types"
	"github.com/oam-dev/kubevela/pkg/cue/definition"
	"github.com/oam-dev/kubevela/pkg/cue/definition/health"
	"github.com/oam-dev/kubevela/pkg/cue/process"
	"github.com/oam-dev/kubevela/references/docgen"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: render < CASES | show NAME < TEMPLATE")
	}
	switch args[0] {
	case "render":
		return render()
	case "show":
		return show(args[1])
	default:
		return fmt.Errorf("unknown command %s", args[0])
	}
}

// Case is one trait on one workload.
type Case struct {
	Trait       string            `json:"trait"`
	Template    string            `json:"template"`
	Application string            `json:"application"`
	Component   string            `json:"component"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Workload    json.RawMessage   `json:"workload"`
	Parameter   map[string]any    `json:"parameter"`
	// How the emitted objects are, for those who ask for their health.
	Outputs map[string]any `json:"outputs"`
	Health  string         `json:"health"`
	Custom  string         `json:"custom"`
}

// Rendered is what came of a case.
type Rendered struct {
	Error    string         `json:"error,omitempty"`
	Workload map[string]any `json:"workload,omitempty"`
	Outputs  map[string]any `json:"outputs,omitempty"`
	Healthy  bool           `json:"healthy"`
	Message  string         `json:"message,omitempty"`
}

// render reads cases, as a JSON list, and answers each with what KubeVela makes of it.
func render() error {
	// They are looked up in a cluster.
	cuex.EnableExternalPackageForDefaultCompiler = false
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		return err
	}
	answers := make([]Rendered, 0, len(cases))
	for _, one := range cases {
		answer, err := renderOne(one)
		if err != nil {
			answer = Rendered{Error: err.Error()}
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func renderOne(one Case) (answer Rendered, err error) {
	ctx := process.NewContext(process.ContextData{
		Ctx:             context.Background(),
		Namespace:       one.Namespace,
		AppName:         one.Application,
		CompName:        one.Component,
		AppRevisionName: one.Application + "-v1",
		AppLabels:       one.Labels,
	})
	base, err := model.NewBase(cuecontext.New().CompileBytes(one.Workload))
	if err != nil {
		return answer, err
	}
	if err = ctx.SetBase(base); err != nil {
		return answer, err
	}
	engine := definition.NewTraitAbstractEngine(one.Trait)
	if err = engine.Complete(ctx, one.Template, one.Parameter); err != nil {
		return answer, err
	}
	workload, auxiliaries := ctx.Output()
	object, err := workload.Unstructured()
	if err != nil {
		return answer, err
	}
	answer.Workload, answer.Outputs = object.Object, map[string]any{}
	for _, auxiliary := range auxiliaries {
		object, err := auxiliary.Ins.Unstructured()
		if err != nil {
			return answer, err
		}
		answer.Outputs[auxiliary.Name] = object.Object
	}
	if one.Health == "" {
		return answer, nil
	}
	status, err := engine.Status(map[string]any{"outputs": one.Outputs}, &health.StatusRequest{
		Health:    one.Health,
		Custom:    one.Custom,
		Parameter: one.Parameter,
	})
	if err == nil {
		answer.Healthy, answer.Message = status.Healthy, status.Message
	}
	return answer, err
}

// show prints a trait's parameters as `vela show` does.
func show(name string) error {
	template, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	reference := &docgen.ConsoleReference{ParseReference: docgen.ParseReference{I18N: &docgen.En}}
	capability := &types.Capability{Name: name, CueTemplate: string(template)}
	_, tables, err := reference.GenerateCUETemplateProperties(capability)
	if err != nil {
		return err
	}
	for _, table := range tables {
		fmt.Println(table.TableName)
		table.TableObject.Render()
	}
	return nil
}
