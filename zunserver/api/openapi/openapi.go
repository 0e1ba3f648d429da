package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// Document describes the routes, as JSON. It fails for a route that cannot be described, which is a mistake in its Doc.
func Document(routes []rest.Route) ([]byte, error) {
	r := openapi31.NewReflector()
	about := "OpenStack Zun's API v1, microversions " + rest.MinVersion.String() + " to " + rest.MaxVersion.String() +
		", with the extensions of capsulet. Routes under /v1 answer without /v1 as well; a slash at the end does not count."
	r.Spec.Info = openapi31.Info{Title: "capsulet", Version: "v1", Description: &about}
	r.Spec.SetAPIKeySecurity("token", "X-Auth-Token", openapi.InHeader, "A token of OpenStack Keystone, or one that the server knows.")
	r.Spec.SetHTTPBearerTokenSecurity("bearer", "", "The same token.")
	configure(&r.Reflector)
	for _, route := range routes {
		if err := add(r, route); err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", route.Method, route.Path, err)
		}
	}
	doc, err := json.Marshal(r.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return doc, nil
}

// configure names the schemas and teaches the reflector what JSON the leaf types of Kubernetes are.
func configure(r *jsonschema.Reflector) {
	for value, schema := range map[any]string{
		&[]byte{}:            `{"type":["string","null"],"format":"base64"}`,
		resource.Quantity{}:  `{"type":["string","number"],"description":"a Kubernetes quantity"}`,
		intstr.IntOrString{}: `{"type":["string","integer"]}`,
		metav1.Time{}:        `{"type":["string","null"],"format":"date-time"}`,
		metav1.Duration{}:    `{"type":"string"}`,
	} {
		var s jsonschema.Schema
		if err := s.UnmarshalJSON([]byte(schema)); err != nil {
			panic(err) // it is a constant
		}
		r.AddTypeMapping(value, s)
	}
	r.DefaultOptions = append(r.DefaultOptions,
		jsonschema.InterceptDefName(func(t reflect.Type, name string) string {
			for _, prefix := range []string{"View", "Rest", "V1"} {
				if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
					return rest
				}
			}
			return name
		}),
		jsonschema.InterceptSchema(func(p jsonschema.InterceptSchemaParams) (bool, error) {
			if p.Processed && answered(p.Value.Type()) {
				p.Schema.Required = required(p.Value.Type())
				closed := false
				p.Schema.AdditionalProperties = &jsonschema.SchemaOrBool{TypeBoolean: &closed}
			}
			return false, nil
		}))
}

// answered says whether a type is only ever in answers: it is a view.
func answered(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasSuffix(t.PkgPath(), "/api/view")
}

// required are the properties that encoding/json always writes. What comes by an embedded pointer may not be there.
func required(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			names = append(names, required(f.Type)...)
		case f.Anonymous && name == "", name == "-", strings.Contains(options, "omit"):
		default:
			names = append(names, cmp.Or(name, f.Name))
		}
	}
	slices.Sort(names)
	return names
}

var pathParameter = regexp.MustCompile(`\{([a-z_]+)(\.\.\.)?\}`)

// add makes a route an operation.
func add(r *openapi31.Reflector, route rest.Route) error {
	path := strings.TrimSuffix(route.Path, "{$}")
	op, err := r.NewOperationContext(route.Method, pathParameter.ReplaceAllString(path, "{$1}"))
	if err != nil {
		return err
	}
	op.SetSummary(route.Doc.Summary)
	op.SetTags(tag(path))
	op.SetID(operationID(route.Method, path))
	if !route.Public {
		op.AddSecurity("token")
		op.AddSecurity("bearer")
	}
	if route.Since != (rest.Version{}) {
		op.SetDescription("Since microversion " + route.Since.String() + ".")
	}
	op.AddReqStructure(parameters(path))
	if route.Doc.Query != nil {
		op.AddReqStructure(route.Doc.Query)
	}
	if route.Doc.Body != nil {
		op.AddReqStructure(route.Doc.Body)
	}
	if route.Doc.BodyType != "" {
		op.AddReqStructure(nil, openapi.WithContentType(route.Doc.BodyType))
	}
	answers(op, route.Doc)
	if !route.Public {
		op.AddRespStructure(rest.Unauthorized{}, openapi.WithHTTPStatus(http.StatusUnauthorized))
	}
	return r.AddOperation(op)
}

// answers describes what comes back; an error has the same body everywhere.
func answers(op openapi.OperationContext, doc rest.Doc) {
	for _, status := range slices.Sorted(maps.Keys(doc.Answers)) {
		body := doc.Answers[status]
		options := []openapi.ContentOption{openapi.WithHTTPStatus(status)}
		if body != nil {
			options = append(options, openapi.WithContentType(cmp.Or(doc.MediaType, "application/json")))
		}
		if forms, ok := body.([]any); ok {
			body = jsonschema.OneOf(forms...)
		}
		op.AddRespStructure(body, options...)
		if doc.Native != nil && body != nil {
			op.AddRespStructure(doc.Native, openapi.WithHTTPStatus(status), openapi.WithContentType(rest.NativeType))
		}
	}
	op.AddRespStructure(rest.Failure{}, func(cu *openapi.ContentUnit) { cu.IsDefault = true })
}

// parameters is a struct with the parameters of a path and the header that every route has.
func parameters(path string) any {
	text := reflect.TypeFor[string]()
	fields := []reflect.StructField{{Name: "Version", Type: text,
		Tag: `header:"OpenStack-API-Version" description:"The microversion, as in container 1.40; without it 1.1."`}}
	for i, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("P%d", i), Type: text, Tag: reflect.StructTag(`path:"` + m[1] + `"`)})
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// tag is the resource of a path.
func tag(path string) string {
	words := strings.Split(strings.Trim(path, "/"), "/")
	if len(words) > 1 && words[0] == "v1" {
		return words[1]
	}
	return "discovery"
}

// operationID is made of the words of method and path, as get_capsules_id_logs.
func operationID(method, path string) string {
	words := strings.FieldsFunc(strings.ToLower(method+" "+path), func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') })
	return strings.Join(words, "_")
}
