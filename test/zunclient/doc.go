// Package zunclient has Zun's own clients talk to a capsule server on a real Docker engine: python-openstackclient with the
// plugin of python-zunclient 4.5, every command of it that reaches the container API.
//
//	test ─► driver.py (one interpreter) ─► HTTP ─► openapitest ─► capsule server ─► Docker engine
//
// What is at a terminal (attach, exec and run --interactive) is a process of its own at a pseudo-terminal of its own, and reaches the
// server's WebSockets.
//
// Every answer on the way is held to the OpenAPI document. The clients are those of Debian (python3-zunclient,
// python3-openstackclient), which `make tools` installs.
package zunclient
