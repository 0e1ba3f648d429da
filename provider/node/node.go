package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	vknode "github.com/virtual-kubelet/virtual-kubelet/node"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// LookEvery is how often the hosts are asked what they are, and LeaseDuration how long the node is believed to be alive.
const (
	LookEvery     = 10 * time.Second
	LeaseDuration = 40 * time.Second
)

const (
	hostsEverySoon = time.Second // while the node is not Ready
	leaseEvery     = 10 * time.Second
	statusInterval = time.Minute
	retryAfter     = 5 * time.Second
)

// apiTimeout ends every request to the API server.
const apiTimeout = 15 * time.Second

// DefaultTaint is the taint of a capsule node.
var DefaultTaint = corev1.Taint{Key: "virtual-kubelet.io/provider", Value: "capsulet", Effect: corev1.TaintEffectNoSchedule}

// Hosts is the part of the capsule API that knows the container hosts.
type Hosts interface {
	Hosts(ctx context.Context) ([]capsule.Host, error)
}

// Config is what a node is made of.
type Config struct {
	Client kubernetes.Interface
	Hosts  Hosts
	Name   string
	// Address is the node's InternalIP, and KubeletPort is where the kubelet endpoint is reached there.
	Address     string
	KubeletPort int32
	// Labels are added to the node's own.
	Labels map[string]string
	// Taint keeps out pods that do not tolerate it; nil means [DefaultTaint].
	Taint   *corev1.Taint
	NoTaint bool
	// MaxPods is the capacity of pods.
	MaxPods int64
	// Reserved is taken off the capacity to make what is allocatable.
	Reserved corev1.ResourceList
	// Version is the kubelet version that the node reports.
	Version string
	Log     *logrus.Entry
}

// Node keeps the Node object. It implements Virtual Kubelet's NodeProvider.
type Node struct {
	cfg        Config
	registered chan struct{}

	mu         sync.Mutex
	now        *corev1.Node        // never changed, only replaced
	whole      corev1.ResourceList // what is allocatable with all hosts; likewise
	noAppArmor bool
	notify     func(*corev1.Node)
}

// New makes a node, which is registered by [Node.Run].
func New(cfg Config) *Node {
	return &Node{cfg: cfg, registered: make(chan struct{})}
}

// Registered is closed when the Node object is in the API.
func (n *Node) Registered() <-chan struct{} { return n.registered }

// Ping answers that the node is alive: this process is. Hosts that are down are the Ready condition's matter.
func (n *Node) Ping(ctx context.Context) error { return ctx.Err() }

// NotifyNodeStatus registers the callback for changes of the node.
func (n *Node) NotifyNodeStatus(_ context.Context, notify func(*corev1.Node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notify = notify
}

// NoAppArmor says that the hosts are known and none of them enforces AppArmor profiles.
func (n *Node) NoAppArmor() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.noAppArmor
}

// Allocatable is what pods may use of the node when all its hosts are up: what the scheduler has bound to it is not to be rejected
// for good because one of them is away for a moment. The Node shows what those have that are up.
func (n *Node) Allocatable() corev1.ResourceList {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.whole != nil:
		return n.whole
	case n.now != nil:
		return n.now.Status.Allocatable
	default:
		return nil
	}
}

// Run registers the node and keeps it up to date until ctx ends. An API server that does not answer is waited for.
func (n *Node) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := n.serve(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.WithError(err).Warn("node controller failed, starting it again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
	return nil
}

// serve runs one node controller, which cannot be used again after a failure.
func (n *Node) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.refresh(ctx)
	n.mu.Lock()
	wanted := n.now.DeepCopy()
	n.mu.Unlock()
	if err := n.align(ctx, wanted); err != nil {
		return err
	}
	for i := range wanted.Status.Conditions { // the controller stamps updates, not the first write
		wanted.Status.Conditions[i].LastHeartbeatTime = metav1.Now()
	}
	nodes := n.cfg.Client.CoreV1().Nodes()
	controller, err := vknode.NewNodeController(n, wanted, nodes,
		vknode.WithNodeEnableLeaseV1WithRenewInterval(n.cfg.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease), int32(LeaseDuration/time.Second), leaseEvery),
		vknode.WithNodeStatusUpdateInterval(statusInterval),
		vknode.WithNodeStatusUpdateErrorHandler(n.recreate))
	if err != nil {
		return fmt.Errorf("make the node controller: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- controller.Run(ctx) }()
	select {
	case <-controller.Ready():
	case err := <-failed:
		return err
	}
	n.announce()
	for {
		select {
		case err := <-failed:
			return err
		case <-time.After(n.refreshAfter()):
			if changed := n.refresh(ctx); changed {
				n.push(ctx)
			}
		}
	}
}

// refreshAfter is how long to wait before the hosts are asked again: a node that is not Ready must not wait for it.
func (n *Node) refreshAfter() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.now.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return LookEvery
		}
	}
	return hostsEverySoon
}

func (n *Node) announce() {
	select {
	case <-n.registered:
	default:
		close(n.registered)
	}
}

// push hands the node to the controller, which may be busy.
func (n *Node) push(ctx context.Context) {
	n.mu.Lock()
	notify, now := n.notify, n.now.DeepCopy()
	n.mu.Unlock()
	handed := make(chan struct{})
	go func() {
		notify(now)
		close(handed)
	}()
	select {
	case <-handed:
	case <-ctx.Done():
	}
}

// refresh makes the node anew out of the hosts and says whether it changed.
func (n *Node) refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, LookEvery)
	defer cancel()
	hosts, err := n.cfg.Hosts.Hosts(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	next := makeNode(&n.cfg, hosts, err, n.now)
	for i := range next.Status.Conditions {
		stampCondition(&next.Status.Conditions[i], n.now)
	}
	n.noAppArmor = err == nil && len(up(hosts)) > 0 && !slices.ContainsFunc(up(hosts), func(h capsule.Host) bool { return h.AppArmor })
	changed := n.now == nil || !equality.Semantic.DeepEqual(next, n.now)
	n.now = next
	if err == nil {
		n.whole = allocatableOf(&n.cfg, capacityOf(&n.cfg, hosts))
	}
	return changed
}

// stampCondition keeps the transition time of a condition that did not change. Heartbeats are the controller's.
func stampCondition(c *corev1.NodeCondition, before *corev1.Node) {
	c.LastTransitionTime = metav1.NewTime(time.Now().Truncate(time.Second))
	if before == nil {
		return
	}
	for _, b := range before.Status.Conditions {
		if b.Type == c.Type && b.Status == c.Status {
			c.LastTransitionTime = b.LastTransitionTime
		}
	}
}

// align brings labels and the taint of a Node that is there already to what is configured now; the controller would not.
func (n *Node) align(ctx context.Context, wanted *corev1.Node) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	nodes := n.cfg.Client.CoreV1().Nodes()
	have, err := nodes.Get(ctx, wanted.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for node %s: %w", wanted.Name, err)
	}
	for i := range wanted.Status.Conditions { // a restart is no transition
		stampCondition(&wanted.Status.Conditions[i], have)
	}
	next := have.DeepCopy()
	if next.Labels == nil {
		next.Labels = map[string]string{}
	}
	for k, v := range wanted.Labels {
		next.Labels[k] = v
	}
	next.Spec.Taints = nil
	for _, t := range have.Spec.Taints {
		if t.Key != taintOf(&n.cfg).Key {
			next.Spec.Taints = append(next.Spec.Taints, t)
		}
	}
	next.Spec.Taints = append(wanted.Spec.Taints, next.Spec.Taints...)
	if equality.Semantic.DeepEqual(have.Labels, next.Labels) && equality.Semantic.DeepEqual(have.Spec.Taints, next.Spec.Taints) {
		return nil
	}
	if _, err := nodes.Update(ctx, next, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update node %s: %w", wanted.Name, err)
	}
	return nil
}

// recreate registers the node again when somebody deleted it.
func (n *Node) recreate(ctx context.Context, cause error) error {
	if !apierrors.IsNotFound(cause) {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	n.mu.Lock()
	now := n.now.DeepCopy()
	n.mu.Unlock()
	if _, err := n.cfg.Client.CoreV1().Nodes().Create(ctx, now, metav1.CreateOptions{}); err != nil {
		return errors.Join(cause, fmt.Errorf("register node %s again: %w", now.Name, err))
	}
	return nil
}

func taintOf(cfg *Config) corev1.Taint {
	if cfg.Taint != nil {
		return *cfg.Taint
	}
	return DefaultTaint
}

// up are the hosts that answer.
func up(hosts []capsule.Host) []capsule.Host {
	var list []capsule.Host
	for _, h := range hosts {
		if h.Up {
			list = append(list, h)
		}
	}
	return list
}
