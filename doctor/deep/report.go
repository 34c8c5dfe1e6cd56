package deep

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/bundle"
)

// maxLog is the most that is taken of a pod's log: a report has about 40 kB, and
// the files for a bundle follow it. A kubelet keeps 10 MiB before it rotates.
const maxLog = 8 << 20

// logsOf reads a pod's log through the API server, which asks the kubelet.
func logsOf(c kubernetes.Interface) func(context.Context, string, string) ([]byte, error) {
	return func(ctx context.Context, namespace, pod string) ([]byte, error) {
		limit := int64(maxLog)
		s, err := c.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, LimitBytes: &limit}).Stream(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return io.ReadAll(io.LimitReader(s, maxLog))
	}
}

// report reads what the pod found: its log, or where the kubelet does not give
// it, the brief that came with the pod's status.
func (o Options) report(ctx context.Context, n *corev1.Node, pod *corev1.Pod) ([]doctor.Finding, []bundle.File, error) {
	log, err := o.Logs(ctx, pod.Namespace, pod.Name)
	if err == nil {
		found, files, failed := Parse(log, n.Name)
		if failed == nil {
			return found, files, nil
		}
		err = failed
	}
	if found := doctor.ParseBrief(message(pod), n.Name); len(found) > 0 {
		return found, nil, nil
	}
	return nil, nil, fmt.Errorf("%w: %w; %s", ErrNoReport, err, standing(pod))
}

// Parse takes the findings out of a report that a pod printed, and the files that
// may follow. What is no check of ours, and whatever else it says, is left out;
// the node is the one that was visited, whatever the report calls it.
func Parse(log []byte, node string) ([]doctor.Finding, []bundle.File, error) {
	if len(log) >= maxLog {
		return nil, nil, fmt.Errorf("read report: more than %d bytes", maxLog-1)
	}
	// What the runtime or a warning printed before the report is passed over.
	if i := bytes.Index(log, []byte("{\n")); i > 0 {
		log = log[i:]
	}
	var r doctor.Report
	d := json.NewDecoder(bytes.NewReader(log))
	if err := d.Decode(&r); err != nil {
		return nil, nil, fmt.Errorf("read report: %w", err)
	}
	switch {
	case r.Schema != doctor.Schema:
		return nil, nil, fmt.Errorf("read report: its schema is %.40q, want %s: the image is of another version", r.Schema, doctor.Schema)
	case r.Err != "":
		return nil, nil, fmt.Errorf("read report: %.200s", r.Err)
	case len(r.Nodes) != 1:
		return nil, nil, fmt.Errorf("read report: it is about %d hosts", len(r.Nodes))
	}
	var files []bundle.File
	for d.More() {
		var f bundle.File
		if d.Decode(&f) != nil {
			break // cut off; what came before it is whole
		}
		files = append(files, f)
	}
	return doctor.Adopt(r.Nodes[0].Findings, node), files, nil
}

// message is what the container left in its termination log.
func message(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container && s.State.Terminated != nil {
			return s.State.Terminated.Message
		}
	}
	return ""
}

// ended is whether there is nothing more to wait for.
func ended(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container && s.State.Terminated != nil {
			return true
		}
	}
	return false
}

// hopeless is why a pod will not start, "" while it may.
func hopeless(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			switch w.Reason {
			case "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "ImagePullBackOff":
				return fmt.Sprintf("%s: %.300s", w.Reason, w.Message)
			}
		}
	}
	return ""
}

// standing is how far a pod got, for people.
func standing(pod *corev1.Pod) string {
	parts := []string{"pod " + pod.Name + " is " + strings.ToLower(string(pod.Status.Phase))}
	if pod.Status.Phase == "" {
		parts[0] = "pod " + pod.Name + " was not picked up by the kubelet"
	}
	if pod.Status.Reason != "" {
		parts = append(parts, pod.Status.Reason)
	}
	for _, s := range pod.Status.ContainerStatuses {
		switch {
		case s.State.Waiting != nil:
			parts = append(parts, s.State.Waiting.Reason)
		case s.State.Terminated != nil:
			parts = append(parts, fmt.Sprintf("exit code %d", s.State.Terminated.ExitCode))
		}
	}
	return strings.Join(parts, ", ")
}
