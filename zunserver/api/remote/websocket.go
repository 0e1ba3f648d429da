package remote

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	utilexec "k8s.io/utils/exec"
)

// The channels of v5.channel.k8s.io.
const (
	stdinChannel = iota
	stdoutChannel
	stderrChannel
	errorChannel
	resizeChannel
	channels
)

// serveWebSocket serves v5.
func serveWebSocket(w http.ResponseWriter, r *http.Request, run runner) {
	kinds := make([]wsstream.ChannelType, channels)
	for i := range kinds {
		kinds[i] = wsstream.IgnoreChannel
	}
	kinds[errorChannel] = wsstream.WriteChannel
	if run.Stdin {
		kinds[stdinChannel] = wsstream.ReadChannel
	}
	if run.Stdout {
		kinds[stdoutChannel] = wsstream.WriteChannel
	}
	if run.Stderr {
		kinds[stderrChannel] = wsstream.WriteChannel
	}
	if run.TTY {
		kinds[resizeChannel] = wsstream.ReadChannel
	}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
		remotecommand.StreamProtocolV5Name: {Binary: true, Channels: kinds}})
	conn.SetIdleTimeout(run.IdleTimeout)
	_, streams, err := conn.Open(w, r)
	if err != nil {
		return // the library has answered
	}
	defer conn.Close() // the caller may be gone
	sizes := make(chan remotecommand.TerminalSize)
	go readSizes(r, streams[resizeChannel], sizes)
	err = run.ExecInContainer(r.Context(), "", "", "", nil, streams[stdinChannel], streams[stdoutChannel], streams[stderrChannel],
		run.TTY, sizes, 0)
	status, err := json.Marshal(statusOf(err, run.Attach))
	if err == nil {
		_, _ = streams[errorChannel].Write(status) // the caller may be gone
	}
}

func readSizes(r *http.Request, from io.Reader, to chan<- remotecommand.TerminalSize) {
	defer close(to)
	for decoder := json.NewDecoder(from); ; {
		var s remotecommand.TerminalSize
		if decoder.Decode(&s) != nil {
			return
		}
		select {
		case to <- s:
		case <-r.Context().Done():
			return
		}
	}
}

// statusOf is the end of a process as the error channel tells it from v4 on.
func statusOf(err error, attach bool) metav1.Status {
	var exit utilexec.CodeExitError
	switch {
	case err == nil:
		return metav1.Status{Status: metav1.StatusSuccess}
	case errors.As(err, &exit):
		return metav1.Status{Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
			Message: "command terminated with non-zero exit code: " + exit.Error(),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
				{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(exit.Code)}}}}
	}
	what := "error executing command in container: "
	if attach {
		what = "error attaching to container: "
	}
	return metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError,
		Code: http.StatusInternalServerError, Message: "Internal error occurred: " + what + err.Error()}
}
