package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
)

// writeEnv writes what a shell needs to talk to both sides.
func (w *world) writeEnv() error {
	token, err := w.server.Token()
	if err != nil {
		return err
	}
	env := fmt.Sprintf(`# Written by make up; use it with: . .dev/env
export PATH='%s':"$PATH"
export KUBECONFIG='%s'
export CAPSULET_URL='%s'
export CAPSULET_TOKEN='%s'
# openstack capsule list (python3-openstackclient, python3-zunclient)
export OS_AUTH_TYPE=admin_token
export OS_ENDPOINT='%[3]s/v1'
export OS_TOKEN='%[4]s'
`, w.path("bin")+":"+w.root+"/bin", w.path("kubeconfig"), w.server.URL(), token)
	return os.WriteFile(w.path("env"), []byte(env), 0o600)
}

func (w *world) show(ctx context.Context) error {
	nodes, err := w.kube(ctx, "get", "nodes,pods", "-o", "wide")
	if err != nil {
		return err
	}
	capsules, err := w.capsules(ctx)
	if err != nil {
		return err
	}
	w.out.Line("\n$ kubectl get nodes,pods -o wide\n%s\n\n$ curl -H \"X-Auth-Token: $CAPSULET_TOKEN\" $CAPSULET_URL/v1/capsules", nodes)
	table := tabwriter.NewWriter(w.out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "UUID\tNAME\tSTATUS\tHOST")
	for _, c := range capsules {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.UUID, c.Name, c.Status, c.Host)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	w.out.Line("\n%s", w.page)
	w.out.Line(`
It runs. What to type next:
  . .dev/env                              KUBECONFIG, CAPSULET_URL, CAPSULET_TOKEN and OS_* for this shell
  kubectl logs -f deploy/web -c visitor   the neighbour that fetches the page over localhost
  kubectl scale deploy/web --replicas=5
  docker ps --filter label=io.capsulet.instance=dev
  tail -f .dev/capsulet.log
  make down                               removes all of it`)
	return nil
}
