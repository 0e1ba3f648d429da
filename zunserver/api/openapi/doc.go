// Package openapi makes the OpenAPI 3.1 document of a table of routes: what a route says of itself in [rest.Doc] becomes an
// operation, the Go types of its bodies become schemas.
//
//	[]rest.Route ─► swaggest reflector ─► document (GET /openapi.json) ─► the tests' validator, clients, people
//
// In the schemas of answers every property that is not omitted when empty is required, and nothing may be there that is not
// described, so that a response that fits is known to the last key. Bodies of requests are described as loosely as they are read.
package openapi
