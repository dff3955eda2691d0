// Answers `kubectl exec`, `logs` and `port-forward` as a kubelet does, and nothing else that a kubelet answers.
//
//	fake-kubelet HOST:PORT PROGRAM LOGS
//	fake-kubelet connect PORT
//
// PROGRAM is called with a pod's namespace and name, the container, and the command, and
// has to run that command in the pod. LOGS is the folder of the files POD.CONTAINER.log.
// The second form is such a command: it connects its input and output with a port of the pod.
package main

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	protocols "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/util/cert"
	"k8s.io/kubelet/pkg/cri/streaming/portforward"
	"k8s.io/kubelet/pkg/cri/streaming/remotecommand"
)

const idle = time.Hour

func main() {
	if os.Args[1] == "connect" {
		connect(os.Args[2])
		return
	}
	address, program, logs := os.Args[1], os.Args[2], os.Args[3]
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
	mux.HandleFunc("/portForward/{namespace}/{pod}", func(w http.ResponseWriter, r *http.Request) {
		options, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(
			w, r, forwarder{program, r.PathValue("namespace")}, r.PathValue("pod"), "", options, idle,
			protocols.DefaultStreamCreationTimeout, portforward.SupportedProtocols,
		)
	})
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		serveLog(w, r, logs)
	})
	log.Fatal(serve(address, mux))
}

func serve(address string, handler http.Handler) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	// The API server does not check a kubelet's certificate unless it is told how.
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.ParseIP(host)}, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:      address,
		Handler:   handler,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}},
	}
	return server.ListenAndServeTLS("", "")
}
