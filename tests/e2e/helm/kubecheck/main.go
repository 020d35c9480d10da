// kubecheck FILE...: decodes each object of Kubernetes' manifests strictly, so that a misspelled or misplaced field is an error.
// It knows the types of Kubernetes itself; objects of others are named as not checked.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := 0
	for documents := yaml.NewDocumentDecoder(file); ; {
		document := make([]byte, 1<<20)
		read, err := documents.Read(document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if onlyComments(string(document[:read])) {
			continue
		}
		objects++
		_, _, err = decoder.Decode(document[:read], nil, nil)
		if runtime.IsNotRegisteredError(err) {
			fmt.Printf("%s: not checked: %v\n", path, err)
		} else if err != nil {
			return fmt.Errorf("object %d: %w", objects, err)
		}
	}
	if objects == 0 {
		return errors.New("has no object")
	}
	return nil
}

func onlyComments(document string) bool {
	for _, line := range strings.Split(document, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}
