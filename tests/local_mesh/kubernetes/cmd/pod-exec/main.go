// Answers `kubectl exec` as a kubelet does, and nothing else that a kubelet answers.
//
//	pod-exec HOST:PORT PROGRAM
//
// PROGRAM is called with a pod's namespace and name, the container, and the command, and
// has to run that command in the pod.
package main

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"k8s.io/apimachinery/pkg/types"
	protocols "k8s.io/apimachinery/pkg/util/remotecommand"
	client "k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/cert"
	"k8s.io/kubelet/pkg/cri/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const idle = time.Hour

// executor runs commands in the pods of one namespace.
type executor struct {
	program   string
	namespace string
}

func (e executor) ExecInContainer(
	ctx context.Context, pod string, _ types.UID, container string, command []string,
	in io.Reader, out, err io.WriteCloser, _ bool, _ <-chan client.TerminalSize, _ time.Duration,
) error {
	process := exec.CommandContext(ctx, e.program, append([]string{e.namespace, pod, container}, command...)...)
	process.Stdout = out
	process.Stderr = err
	// A pipe of our own: with a plain reader, Wait would wait for the client to close its end.
	if in != nil {
		pipe, failure := process.StdinPipe()
		if failure != nil {
			return failure
		}
		go func() {
			io.Copy(pipe, in)
			pipe.Close()
		}()
	}
	// What the command has left in the background may hold its output open.
	process.WaitDelay = time.Second
	failure := process.Run()
	if exit, ok := failure.(*exec.ExitError); ok {
		return utilexec.CodeExitError{Err: exit, Code: exit.ExitCode()}
	}
	return failure
}

func main() {
	address, program := os.Args[1], os.Args[2]
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		log.Fatal(err)
	}
	// The API server does not check a kubelet's certificate unless it is told how.
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.ParseIP(host)}, nil)
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(
			w, r, executor{program, r.PathValue("namespace")}, r.PathValue("pod"), "", r.PathValue("container"),
			r.URL.Query()["command"], options, idle, protocols.DefaultStreamCreationTimeout,
			protocols.SupportedStreamingProtocols,
		)
	})
	server := &http.Server{
		Addr:      address,
		Handler:   mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
