// Evaluates an environment of Pulumi ESC, YAML on the standard input, with Pulumi's own evaluator, and writes what a
// program gets of it as JSON. The only argument has, as JSON, what each provider would give: its service is Pulumi's.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/pulumi/esc"
	"github.com/pulumi/esc/eval"
	"github.com/pulumi/esc/schema"
)

type given map[string]any

func (g given) LoadProvider(_ context.Context, name string) (esc.Provider, error) {
	values, ok := g[name]
	if !ok {
		return nil, fmt.Errorf("no provider %q", name)
	}
	return provider{values}, nil
}

func (given) LoadRotator(_ context.Context, name string) (esc.Rotator, error) {
	return nil, fmt.Errorf("no rotator %q", name)
}

func (given) LoadEnvironment(_ context.Context, name string) ([]byte, eval.Decrypter, error) {
	return nil, nil, fmt.Errorf("no environment %q", name)
}

type provider struct{ values any }

func (provider) Schema() (*schema.Schema, *schema.Schema) { return schema.Always(), schema.Always() }

func (p provider) Open(context.Context, map[string]esc.Value, esc.EnvExecContext) (esc.Value, error) {
	return esc.FromJSON(p.values)
}

func run() error {
	var providers given
	if err := json.Unmarshal([]byte(os.Args[1]), &providers); err != nil {
		return err
	}
	source, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	declared, said, err := eval.LoadYAMLBytes("environment", source)
	if err != nil {
		return err
	}
	if said.HasErrors() {
		return said
	}
	execution, err := esc.NewExecContext(map[string]esc.Value{})
	if err != nil {
		return err
	}
	opened, said := eval.EvalEnvironment(
		context.Background(), "environment", declared, nil, providers, providers, execution,
	)
	if said.HasErrors() {
		return said
	}
	variables := map[string]string{}
	for name, value := range opened.GetEnvironmentVariables() {
		variables[name] = value.ToString(false)
	}
	config := opened.Properties["pulumiConfig"]
	return json.NewEncoder(os.Stdout).Encode(
		map[string]any{"environmentVariables": variables, "pulumiConfig": config.ToJSON(false)},
	)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
