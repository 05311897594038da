// KubeVela's controller, vela-core, as its release has it, and where its chart is.
//
//	chart       prints the folder of the chart in Go's module cache: the definitions of its kinds, its components and policies
//	FLAGS...    runs vela-core on $KUBECONFIG, until its stdin closes: a test that is killed leaves nothing behind
package main

import (
	"fmt"
	"go/build"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/oam-dev/kubevela/cmd/core/app"
)

const module = "github.com/oam-dev/kubevela"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "chart" {
		folder, err := chart()
		if err == nil {
			fmt.Println(folder)
		}
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return app.NewCoreCommand().Execute()
}

// The chart is no package: it comes with the module, and is where Go put that when this was built.
func chart() (string, error) {
	cache := os.Getenv("GOMODCACHE")
	if cache == "" {
		cache = filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "pkg", "mod")
	}
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path != module {
			continue
		}
		folder := filepath.Join(cache, filepath.FromSlash(module)+"@"+dependency.Version, "charts", "vela-core")
		if _, err := os.Stat(folder); err != nil {
			return "", fmt.Errorf("%w; `go mod download` in tests/kubevela brings it", err)
		}
		return folder, nil
	}
	return "", fmt.Errorf("built without %s", module)
}
