package main

import (
	"context"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// executor runs commands in the pods of one namespace.
type executor struct {
	program   string
	namespace string
}

func (e executor) ExecInContainer(
	ctx context.Context, pod string, _ types.UID, container string, command []string,
	in io.Reader, out, err io.WriteCloser, tty bool, sizes <-chan client.TerminalSize, _ time.Duration,
) error {
	process := inPod(ctx, e.program, e.namespace, pod, container, command...)
	if tty {
		return exitStatus(runInTerminal(process, in, out, sizes))
	}
	process.Stdout = out
	process.Stderr = err
	return exitStatus(run(process, in))
}

// inPod returns a command that the program runs in a pod.
func inPod(ctx context.Context, program, namespace, pod, container string, command ...string) *exec.Cmd {
	process := exec.CommandContext(ctx, program, append([]string{namespace, pod, container}, command...)...)
	// What the command has left in the background may hold its output open.
	process.WaitDelay = time.Second
	return process
}

// run runs a command, and ends when it ends.
func run(process *exec.Cmd, in io.Reader) error {
	// A pipe of our own: with a plain reader, Wait would wait for the client to close its end.
	if in != nil {
		pipe, err := process.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			io.Copy(pipe, in)
			pipe.Close()
		}()
	}
	return process.Run()
}

// runInTerminal runs a command as `kubectl exec --tty` does: with a terminal, and with errors in its output.
func runInTerminal(process *exec.Cmd, in io.Reader, out io.Writer, sizes <-chan client.TerminalSize) error {
	terminal, err := pty.Start(process)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range sizes {
			pty.Setsize(terminal, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}()
	if in != nil {
		go io.Copy(terminal, in)
	}
	io.Copy(out, terminal) // ends with an error when the command has ended
	return process.Wait()
}

// exitStatus returns an error that the client reads as the command's exit status.
func exitStatus(err error) error {
	exit, ok := err.(*exec.ExitError)
	if !ok {
		return err
	}
	code := exit.ExitCode()
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal()) // as in a shell
	}
	return utilexec.CodeExitError{Err: exit, Code: code}
}
