package translate

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// envOf is the container's environment in the kubelet's order: services, envFrom, env; later names win.
func envOf(pod *corev1.Pod, c *corev1.Container, src *Sources) ([]capsule.EnvVar, error) {
	env := serviceEnv(pod, src.Services)
	for i := range c.EnvFrom {
		more, err := envFromOf(pod, c, &c.EnvFrom[i], src)
		if err != nil {
			return nil, err
		}
		env = append(env, more...)
	}
	for i := range c.Env {
		v, ok, err := envVarOf(pod, c, &c.Env[i], src)
		if err != nil {
			return nil, err
		}
		if ok {
			env = append(env, v)
		}
	}
	return dropOverridden(env), nil
}

// dropOverridden removes variables that a later one of the same name replaces, unless a variable in between, or the
// later one itself, refers to the earlier value.
func dropOverridden(env []capsule.EnvVar) []capsule.EnvVar {
	var out []capsule.EnvVar
	for i, v := range env {
		later := slices.IndexFunc(env[i+1:], func(w capsule.EnvVar) bool { return w.Name == v.Name })
		if later < 0 {
			out = append(out, v)
			continue
		}
		for _, w := range env[i+1 : i+2+later] {
			if !w.Literal && strings.Contains(w.Value, "$("+v.Name+")") {
				out = append(out, v)
				break
			}
		}
	}
	return out
}

func envFromOf(pod *corev1.Pod, c *corev1.Container, from *corev1.EnvFromSource, src *Sources) ([]capsule.EnvVar, error) {
	var env []capsule.EnvVar
	missing := &Missing{Namespace: pod.Namespace, Container: c.Name}
	switch {
	case from.ConfigMapRef != nil:
		m, ok := src.ConfigMaps[from.ConfigMapRef.Name]
		if !ok {
			missing.Kind, missing.Name = SourceConfigMap, from.ConfigMapRef.Name
			return nil, unless(isTrue(from.ConfigMapRef.Optional), missing)
		}
		for _, k := range sortedKeys(m.Data) {
			env = append(env, capsule.EnvVar{Name: from.Prefix + k, Value: m.Data[k], Literal: true})
		}
	case from.SecretRef != nil:
		s, ok := src.Secrets[from.SecretRef.Name]
		if !ok {
			missing.Kind, missing.Name = SourceSecret, from.SecretRef.Name
			return nil, unless(isTrue(from.SecretRef.Optional), missing)
		}
		for _, k := range sortedKeys(s.Data) {
			env = append(env, capsule.EnvVar{Name: from.Prefix + k, Value: string(s.Data[k]), Literal: true, Sensitive: true})
		}
	}
	return env, nil
}

// unless returns nil for what is optional.
func unless(optional bool, m *Missing) error {
	if optional {
		return nil
	}
	return m
}

// envVarOf translates one variable; ok is false when an optional source of it is missing.
func envVarOf(pod *corev1.Pod, c *corev1.Container, e *corev1.EnvVar, src *Sources) (v capsule.EnvVar, ok bool, err error) {
	v = capsule.EnvVar{Name: e.Name, Value: e.Value}
	if e.Value != "" || e.ValueFrom == nil {
		return v, true, nil
	}
	v.Literal = true
	from, missing := e.ValueFrom, &Missing{Namespace: pod.Namespace, Container: c.Name}
	switch {
	case from.FieldRef != nil:
		if ref, isRef := references[from.FieldRef.FieldPath]; isRef {
			return capsule.EnvVar{Name: e.Name, Ref: ref}, true, nil
		}
		v.Value = podField(pod, from.FieldRef.FieldPath, src)
	case from.ResourceFieldRef != nil:
		v.Value, err = resourceField(pod, c, from.ResourceFieldRef, src)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		m, have := src.ConfigMaps[ref.Name]
		if have {
			v.Value, ok = m.Data[ref.Key]
			missing.Key = ref.Key
		}
		missing.Kind, missing.Name = SourceConfigMap, ref.Name
		if !ok {
			return v, false, unless(isTrue(ref.Optional), missing)
		}
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		var value []byte
		s, have := src.Secrets[ref.Name]
		if have {
			value, ok = s.Data[ref.Key]
			missing.Key = ref.Key
		}
		missing.Kind, missing.Name = SourceSecret, ref.Name
		if !ok {
			return v, false, unless(isTrue(ref.Optional), missing)
		}
		v.Value, v.Sensitive = string(value), true
	}
	return v, err == nil, err
}

// serviceEnv makes the variables that tell a container where services are, sorted. default/kubernetes is always among
// them; the others of the namespace only with service links.
func serviceEnv(pod *corev1.Pod, services []*corev1.Service) []capsule.EnvVar {
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	all := map[string]string{}
	add := func(s *corev1.Service) {
		if ip := s.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone && len(s.Spec.Ports) > 0 {
			addService(all, s)
		}
	}
	isMaster := func(s *corev1.Service) bool {
		return s.Namespace == metaDefault && s.Name == "kubernetes"
	}
	for _, s := range services {
		if isMaster(s) {
			add(s)
		}
	}
	for _, s := range services { // a service "kubernetes" of the namespace itself wins over the master's
		if links && s.Namespace == pod.Namespace && !isMaster(s) {
			add(s)
		}
	}
	var env []capsule.EnvVar
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, capsule.EnvVar{Name: name, Value: all[name], Literal: true})
	}
	return env
}

const metaDefault = corev1.NamespaceDefault

func addService(all map[string]string, s *corev1.Service) {
	name := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
	ip := s.Spec.ClusterIP
	all[name+"_SERVICE_HOST"] = ip
	all[name+"_SERVICE_PORT"] = strconv.Itoa(int(s.Spec.Ports[0].Port))
	for i, p := range s.Spec.Ports {
		port := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			all[name+"_SERVICE_PORT_"+strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))] = port
		}
		proto := strings.ToLower(string(p.Protocol))
		if proto == "" {
			proto = "tcp"
		}
		url := proto + "://" + net.JoinHostPort(ip, port)
		if i == 0 {
			all[name+"_PORT"] = url
		}
		prefix := name + "_PORT_" + port + "_" + strings.ToUpper(proto)
		all[prefix] = url
		all[prefix+"_PROTO"] = proto
		all[prefix+"_PORT"] = port
		all[prefix+"_ADDR"] = ip
	}
}
