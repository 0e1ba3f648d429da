// Package zunclient has Zun's own clients talk to a capsule server on a real Docker engine: python-openstackclient with the plugin
// of python-zunclient 4.5, and `zun`: every command of both, but for two of the plugin that ask Neutron (floating IPs).
//
//	test ─► driver.py (one interpreter) ─► HTTP ─► openapitest ─► capsule server ─► Docker engine
//	     └► heat_driver.py                                             └─► a real Keystone (test/keystone), for `zun`
//
// `zun` gets at nothing without a Keystone, in whose catalog it finds the server; its test says what each command asks, and that
// there is no command which was not tried. What is at a terminal (attach, exec and run --interactive) is a process of its own at a
// pseudo-terminal of its own, and reaches the server's WebSockets.
//
// What is broken in the clients themselves, so that no server can help (python-zunclient 4.5): top falls over its own print;
// rename and the commands of security groups are sent with a microversion that has them no more, unless an older one is chosen;
// `~.` at a terminal, which is to leave it, does nothing; no exit code comes out of exec --interactive.
//
// Heat's own engine makes, changes and ends stacks with OS::Zun::Container in one process, its database in memory; only what Heat
// asks Keystone and Neutron for is made up. (Horizon's panels are not in Debian.)
//
// Every answer on the way is held to the OpenAPI document. The clients are those of Debian (python3-zunclient,
// python3-openstackclient, python3-heat), which `make tools` installs.
package zunclient
