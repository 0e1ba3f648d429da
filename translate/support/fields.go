package support

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Verdict says what becomes of a field.
type Verdict string

// The verdicts.
const (
	Mapped  Verdict = "supported"
	Partly  Verdict = "supported in part" // some values are refused, Why says which
	Ignored Verdict = "ignored"           // has no effect here, Why says why that is right
	Warned  Verdict = "ignored with a warning event"
	Refused Verdict = "refused"
)

// Rule is the verdict on one field of a Kubernetes type.
type Rule struct {
	Verdict Verdict
	// Why is a clause for people; empty for mapped fields.
	Why string
}

// Field is one row of the table of fields, for documentation.
type Field struct {
	// Type and Name are Kubernetes' own: PodSpec, hostUsers.
	Type, Name string
	Rule
}

type rules map[string]Rule

const (
	byScheduler = "it speaks to the scheduler, which has done its work when the pod gets here"
	notLinux    = "it is for Windows, and capsules are Linux containers"
	noVolume    = "this node cannot mount volumes of this kind"
	// Reasons that a value is refused for.
	noUserNamespace = "a Docker engine has user namespaces for all of its containers (userns-remap) or for none"
	alwaysMerged    = "a Docker engine always adds the groups that the image gives its user"
	onlyRestart     = "RestartAllContainers is an alpha API of Kubernetes that this node does not carry out"
	noImageVolume   = "Docker engines cannot mount an image into a container (from 28 on as an experiment only)"
	noHugePages     = "no host of this node offers huge pages"
)

// kind makes the rules of one type: the mapped fields by Go name, the others with their rule.
func kind[T any](mapped string, others rules) (reflect.Type, rules) {
	all := rules{}
	for name := range strings.FieldsSeq(mapped) {
		all[name] = Rule{Verdict: Mapped}
	}
	for name, r := range others {
		all[name] = r
	}
	return reflect.TypeFor[T](), all
}

// each gives the fields called names the same rule.
func each(r Rule, names string) rules {
	all := rules{}
	for name := range strings.FieldsSeq(names) {
		all[name] = r
	}
	return all
}

func merged(all ...rules) rules {
	sum := rules{}
	for _, r := range all {
		for name, rule := range r {
			sum[name] = rule
		}
	}
	return sum
}

// fieldRules is the table: every struct type of k8s.io/api/core/v1 that is reachable from PodSpec through fields that are
// not ignored or refused, and each of its fields.
var fieldRules = buildFieldRules()

func buildFieldRules() map[reflect.Type]rules {
	table := map[reflect.Type]rules{}
	add := func(t reflect.Type, r rules) { table[t] = r }
	addPodRules(add)
	addContainerRules(add)
	addSecurityRules(add)
	addVolumeRules(add)
	return table
}

func addPodRules(add func(reflect.Type, rules)) {
	add(kind[corev1.PodSpec](`Volumes InitContainers Containers RestartPolicy TerminationGracePeriodSeconds
		ActiveDeadlineSeconds DNSPolicy ServiceAccountName NodeName HostNetwork HostPID HostIPC ShareProcessNamespace
		SecurityContext Hostname Subdomain HostAliases DNSConfig ReadinessGates EnableServiceLinks HostnameOverride
		SetHostnameAsFQDN ImagePullSecrets EphemeralContainers RuntimeClassName`,
		merged(
			each(Rule{Ignored, byScheduler}, `NodeSelector Affinity SchedulerName Tolerations PriorityClassName Priority
				PreemptionPolicy TopologySpreadConstraints SchedulingGates WorkloadRef`),
			rules{
				"AutomountServiceAccountToken": {Ignored, "the API server's admission has acted on it already"},
				"DeprecatedServiceAccount":     {Ignored, "serviceAccountName says the same"},
				"Overhead":                     {Ignored, "admission puts it there from the runtime class; it counts for the node's room only"},
				"HostUsers":                    {Partly, "not false: " + noUserNamespace},
				"OS":                           {Partly, "only linux"},
				"ResourceClaims":               {Refused, "this node has no dynamic resources"},
				"Resources":                    {Partly, "only cpu and memory; they are the limit of each container that has none of its own, and of all together no engine can be given one"},
			})))
	add(kind[corev1.HostAlias]("IP Hostnames", nil))
	add(kind[corev1.PodDNSConfig]("Nameservers Searches Options", nil))
	add(kind[corev1.PodDNSConfigOption]("Name Value", nil))
	add(kind[corev1.PodReadinessGate]("ConditionType", nil))
	add(kind[corev1.PodOS]("Name", nil))
}

func addContainerRules(add func(reflect.Type, rules)) {
	containerMapped := `Name Image Command Args WorkingDir Ports EnvFrom Env Resources VolumeMounts LivenessProbe
		ReadinessProbe StartupProbe Lifecycle TerminationMessagePath TerminationMessagePolicy ImagePullPolicy
		SecurityContext Stdin StdinOnce TTY ResizePolicy RestartPolicy RestartPolicyRules`
	containerOthers := rules{
		"VolumeDevices": {Refused, "raw block devices cannot be given to a capsule"},
	}
	add(kind[corev1.Container](containerMapped, containerOthers))
	add(kind[corev1.EphemeralContainer]("EphemeralContainerCommon TargetContainerName", nil))
	add(kind[corev1.EphemeralContainerCommon](containerMapped, containerOthers))
	add(kind[corev1.ContainerPort]("Name HostPort ContainerPort Protocol HostIP", nil))
	add(kind[corev1.ContainerResizePolicy]("ResourceName RestartPolicy", nil))
	add(kind[corev1.ContainerRestartRule]("ExitCodes", rules{
		"Action": {Partly, "only Restart; " + onlyRestart}}))
	add(kind[corev1.ContainerRestartRuleOnExitCodes]("Operator Values", nil))
	add(kind[corev1.EnvVar]("Name Value ValueFrom", nil))
	add(kind[corev1.EnvVarSource]("FieldRef ResourceFieldRef ConfigMapKeyRef SecretKeyRef", rules{
		"FileKeyRef": {Refused, "this node makes the environment before a container runs, and looks into no volume for it"}}))
	add(kind[corev1.EnvFromSource]("Prefix ConfigMapRef SecretRef", nil))
	add(kind[corev1.ConfigMapEnvSource]("LocalObjectReference Optional", nil))
	add(kind[corev1.SecretEnvSource]("LocalObjectReference Optional", nil))
	add(kind[corev1.LocalObjectReference]("Name", nil))
	add(kind[corev1.ConfigMapKeySelector]("LocalObjectReference Key Optional", nil))
	add(kind[corev1.SecretKeySelector]("LocalObjectReference Key Optional", nil))
	add(kind[corev1.ObjectFieldSelector]("FieldPath", rules{
		"APIVersion": {Ignored, "v1 is the only one"}}))
	add(kind[corev1.ResourceFieldSelector]("ContainerName Resource Divisor", nil))
	add(kind[corev1.ResourceRequirements]("", rules{
		"Limits":   {Partly, "only cpu, memory and ephemeral-storage; logs count for ephemeral-storage where capsulet runs on the host itself"},
		"Requests": {Partly, "only cpu, memory and ephemeral-storage"},
		"Claims":   {Refused, "this node has no dynamic resources"},
	}))
	add(kind[corev1.Probe](`ProbeHandler InitialDelaySeconds TimeoutSeconds PeriodSeconds SuccessThreshold
		FailureThreshold TerminationGracePeriodSeconds`, nil))
	add(kind[corev1.ProbeHandler]("Exec HTTPGet TCPSocket GRPC", nil))
	add(kind[corev1.ExecAction]("Command", nil))
	add(kind[corev1.HTTPGetAction]("Path Port Host Scheme HTTPHeaders", nil))
	add(kind[corev1.HTTPHeader]("Name Value", nil))
	add(kind[corev1.TCPSocketAction]("Port Host", nil))
	add(kind[corev1.GRPCAction]("Port Service", nil))
	add(kind[corev1.Lifecycle]("PostStart PreStop StopSignal", nil))
	add(kind[corev1.LifecycleHandler]("Exec HTTPGet Sleep", rules{
		"TCPSocket": {Refused, "Kubernetes itself never implemented it as a hook"}}))
	add(kind[corev1.SleepAction]("Seconds", nil))
}

func addSecurityRules(add func(reflect.Type, rules)) {
	shared := rules{
		"SELinuxOptions":  {Mapped, ""}, // a host without SELinux leaves them out of account, as a kubelet's does
		"WindowsOptions":  {Refused, notLinux},
		"SeccompProfile":  {Mapped, ""}, // a profile that is not there waits with CreateContainerError
		"AppArmorProfile": {Mapped, ""}, // without AppArmor on any host the pod is rejected, as by a kubelet
	}
	add(kind[corev1.PodSecurityContext]("RunAsUser RunAsGroup RunAsNonRoot SupplementalGroups FSGroup FSGroupChangePolicy",
		merged(shared, rules{
			"SupplementalGroupsPolicy": {Partly, "only Merge: " + alwaysMerged},
			"Sysctls":                  {Partly, "only those that Kubernetes calls safe; others are rejected as SysctlForbidden"},

			"SELinuxChangePolicy": {Ignored, "volumes here are mounted one by one in any case"},
		})))
	add(kind[corev1.SecurityContext](`Capabilities Privileged RunAsUser RunAsGroup RunAsNonRoot
		ReadOnlyRootFilesystem AllowPrivilegeEscalation`,
		merged(shared, rules{"ProcMount": {Mapped, ""}})))
	add(kind[corev1.Sysctl]("Name Value", nil))
	add(kind[corev1.SELinuxOptions]("User Role Type Level", nil))
	add(kind[corev1.Capabilities]("Add Drop", nil))
	add(kind[corev1.SeccompProfile]("Type LocalhostProfile", nil))
	add(kind[corev1.AppArmorProfile]("Type LocalhostProfile", nil))
}

func addVolumeRules(add func(reflect.Type, rules)) {
	add(kind[corev1.Volume]("Name VolumeSource", nil))
	add(kind[corev1.VolumeSource]("HostPath EmptyDir Secret ConfigMap DownwardAPI Projected NFS", merged(
		each(Rule{Refused, noVolume}, `GCEPersistentDisk AWSElasticBlockStore GitRepo ISCSI Glusterfs RBD FlexVolume
			Cinder CephFS Flocker FC AzureFile VsphereVolume Quobyte AzureDisk PhotonPersistentDisk PortworxVolume
			ScaleIO StorageOS CSI`),
		each(Rule{Partly, "what the claim is bound to has to be of the kind hostPath, nfs or local; what is local is looked for on the host " +
			"that the capsule was given"}, "PersistentVolumeClaim Ephemeral"),
		each(Rule{Refused, noImageVolume}, "Image"),
	)))
	add(kind[corev1.HostPathVolumeSource]("Path Type", nil))
	add(kind[corev1.NFSVolumeSource]("Server Path ReadOnly", nil))
	add(kind[corev1.PersistentVolumeClaimVolumeSource]("ClaimName ReadOnly", nil))
	add(kind[corev1.EphemeralVolumeSource]("", rules{"VolumeClaimTemplate": {Ignored, "the control plane has made the claim by it"}}))
	add(kind[corev1.EmptyDirVolumeSource]("SizeLimit", rules{"Medium": {Partly, "only the default and Memory; " + noHugePages}}))
	add(kind[corev1.SecretVolumeSource]("SecretName Items DefaultMode Optional", nil))
	add(kind[corev1.ConfigMapVolumeSource]("LocalObjectReference Items DefaultMode Optional", nil))
	add(kind[corev1.KeyToPath]("Key Path Mode", nil))
	add(kind[corev1.DownwardAPIVolumeSource]("Items DefaultMode", nil))
	add(kind[corev1.DownwardAPIVolumeFile]("Path FieldRef ResourceFieldRef Mode", nil))
	add(kind[corev1.ProjectedVolumeSource]("Sources DefaultMode", nil))
	add(kind[corev1.VolumeProjection]("Secret DownwardAPI ConfigMap ServiceAccountToken ClusterTrustBundle",
		rules{
			"PodCertificate": {Refused, "this node requests no certificates for pods, which is a beta API that clusters have off by default"},
		}))
	add(kind[corev1.SecretProjection]("LocalObjectReference Items Optional", nil))
	add(kind[corev1.ConfigMapProjection]("LocalObjectReference Items Optional", nil))
	add(kind[corev1.DownwardAPIProjection]("Items", nil))
	add(kind[corev1.ClusterTrustBundleProjection]("Name SignerName LabelSelector Optional Path", nil))
	add(kind[corev1.ServiceAccountTokenProjection]("Audience ExpirationSeconds Path", nil))
	add(kind[corev1.VolumeMount]("Name ReadOnly MountPath SubPathExpr MountPropagation", rules{
		"SubPath":           {Partly, "no absolute path and no .."},
		"RecursiveReadOnly": {Partly, "Enabled needs a host that is capsulet's own machine; IfPossible is Disabled"},
	}))
}

// Fields returns the whole table, sorted, for documentation.
func Fields() []Field {
	var all []Field
	for t, r := range fieldRules {
		for i := range t.NumField() {
			f := t.Field(i)
			if rule, ok := r[f.Name]; ok && !f.Anonymous {
				all = append(all, Field{Type: t.Name(), Name: jsonName(f), Rule: rule})
			}
		}
	}
	slices.SortFunc(all, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// found is a set field that the table does not simply map.
type found struct {
	path string
	rule Rule
}

// walk visits every set field under v by the table, in the order of the types.
func walk(v reflect.Value, path string, visit func(found)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Struct:
		walkStruct(v, path, visit)
	}
}

func walkStruct(v reflect.Value, path string, visit func(found)) {
	table, ok := fieldRules[v.Type()]
	if !ok {
		return // a leaf such as resource.Quantity
	}
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		rule, known := table[f.Name]
		if !known {
			rule = Rule{Refused, "this version of capsulet does not know it"}
		}
		at := path
		if !f.Anonymous {
			at = path + "." + jsonName(f)
		}
		switch rule.Verdict {
		case Mapped, Partly:
			walk(value, at, visit)
		case Ignored:
		default:
			if asks(value) {
				visit(found{at, rule})
			}
		}
	}
}

// asks says whether a field asks for something: an explicit false or "" asks for no more than nothing does.
func asks(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() != reflect.Struct {
		return !v.Elem().IsZero()
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() > 0
	}
	return !v.IsZero()
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return cmp.Or(name, f.Name)
}
