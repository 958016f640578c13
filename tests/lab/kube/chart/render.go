// tests/lab/kube/chart/render.go: the Helm chart's templates as Go's own text/template understands them, which is what
// Helm runs them by, with those of Helm's functions that the chart uses.
//
//	render <<< '{"dot": {"Values": ...}, "files": {"a.yaml": "..."}}'     -> {"a.yaml": "..."}
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"text/template"
)

func scalar(v interface{}) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Whether a value is written on the line of its key.
func isShort(v interface{}) bool {
	switch v := v.(type) {
	case map[string]interface{}:
		return len(v) == 0
	case []interface{}:
		return len(v) == 0
	}
	return true
}

func put(out *strings.Builder, v interface{}, indent string) {
	under := func(v interface{}, deeper string) {
		if isShort(v) {
			fmt.Fprintf(out, " %s\n", scalar(v))
			return
		}
		out.WriteString("\n")
		put(out, v, deeper)
	}
	switch v := v.(type) {
	case map[string]interface{}:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			fmt.Fprintf(out, "%s%s:", indent, scalar(key))
			under(v[key], indent+"  ")
		}
	case []interface{}:
		for _, one := range v {
			fmt.Fprintf(out, "%s-", indent)
			under(one, indent+"  ")
		}
	}
}

func toYaml(v interface{}) string {
	var out strings.Builder

	if isShort(v) {
		return scalar(v)
	}
	put(&out, v, "")
	return strings.TrimSuffix(out.String(), "\n")
}

func nindent(n int, text string) string {
	pad := strings.Repeat(" ", n)
	return "\n" + pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func isEmpty(v interface{}) bool {
	truth, ok := template.IsTrue(v)
	return !ok || !truth
}

func has(what interface{}, list []interface{}) bool {
	for _, one := range list {
		if one == what {
			return true
		}
	}
	return false
}

func render(dot interface{}, files map[string]string) (map[string]string, error) {
	made := map[string]string{}
	functions := template.FuncMap{
		"toYaml":  toYaml,
		"nindent": nindent,
		"quote":   func(v interface{}) string { return fmt.Sprintf("%q", fmt.Sprint(v)) },
		"has":     has,
		"default": func(other, v interface{}) interface{} {
			if isEmpty(v) {
				return other
			}
			return v
		},
	}
	for name, text := range files {
		var out strings.Builder

		t, err := template.New(name).Option("missingkey=error").Funcs(functions).Parse(text)
		if err != nil {
			return nil, err
		}
		if err := t.Execute(&out, dot); err != nil {
			return nil, err
		}
		made[name] = out.String()
	}
	return made, nil
}

func main() {
	var asked struct {
		Dot   interface{}
		Files map[string]string
	}

	err := json.NewDecoder(os.Stdin).Decode(&asked)
	if err == nil {
		var made map[string]string

		made, err = render(asked.Dot, asked.Files)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(made)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}
