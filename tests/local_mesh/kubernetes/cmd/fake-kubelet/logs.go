package main

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// serveLog answers `kubectl logs`, from the whole log of a container's programs.
func serveLog(w http.ResponseWriter, r *http.Request, folder string) {
	query := r.URL.Query()
	for _, unknown := range []string{"sinceSeconds", "sinceTime", "timestamps", "previous"} {
		if value := query.Get(unknown); value != "" && value != "false" {
			http.Error(w, "logs here have no times, and no earlier container", http.StatusBadRequest)
			return
		}
	}
	// A container has no such file if nothing runs for it.
	file := filepath.Join(folder, r.PathValue("pod")+"."+r.PathValue("container")+".log")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return
	}
	arguments := []string{"--lines", "+1"}
	if lines := query.Get("tailLines"); lines != "" {
		arguments[1] = lines
	}
	if query.Get("follow") == "true" {
		arguments = append(arguments, "--follow=name")
	}
	tail := exec.CommandContext(r.Context(), "tail", append(arguments, file)...)
	tail.Stdout = flushed{w}
	tail.Run()
}

// flushed sends everything at once.
type flushed struct{ http.ResponseWriter }

func (f flushed) Write(content []byte) (int, error) {
	written, err := f.ResponseWriter.Write(content)
	f.ResponseWriter.(http.Flusher).Flush()
	return written, err
}
