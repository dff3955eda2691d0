package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// forwarder connects streams with ports of the pods of one namespace.
type forwarder struct {
	program   string
	namespace string
}

func (f forwarder) PortForward(
	ctx context.Context, pod string, _ types.UID, port int32, stream io.ReadWriteCloser,
) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var problem strings.Builder
	process := inPod(ctx, f.program, f.namespace, pod, "", self, "connect", strconv.Itoa(int(port)))
	process.Stdout = stream
	process.Stderr = &problem
	if err := run(process, stream); err != nil {
		return fmt.Errorf("port %d of pod %s: %s", port, pod, strings.TrimSpace(problem.String()))
	}
	return nil
}

// connect connects standard input and output with a port of this host, until the server ends the connection.
func connect(port string) {
	log.SetFlags(0)
	connection, err := net.Dial("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		io.Copy(connection, os.Stdin)
		connection.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(os.Stdout, connection)
}
