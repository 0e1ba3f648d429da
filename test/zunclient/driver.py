"""Runs commands of python-openstackclient and python-zunclient in one interpreter: starting one for each takes seconds.

A line of JSON in, {"tool", "argv", "stdin"}, is one command; a line out is {"code", "out", "err"}.
"""
import contextlib
import io
import json
import logging
import os
import sys
import traceback


def run(tool, argv):
    if tool == "openstack":
        from openstackclient import shell
        from osc_lib import clientmanager

        # The class keeps the clients that were made: each command has its own credentials and microversion.
        for cache in vars(clientmanager.ClientManager).values():
            if isinstance(cache, clientmanager.ClientCache):
                cache._handle = None
        return shell.OpenStackShell().run(argv)
    if tool == "zun":
        from zunclient import shell

        return shell.OpenStackZunShell().main(argv)
    raise ValueError(tool)


def main():
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = run(asked["tool"], asked["argv"]) or 0
            except SystemExit as e:
                code = e.code if isinstance(e.code, int) else 1
            except BaseException:
                traceback.print_exc()
                code = 1
        for handler in list(logging.getLogger().handlers):
            logging.getLogger().removeHandler(handler)
        json.dump({"code": code, "out": out.getvalue(), "err": err.getvalue()}, answers)
        answers.write("\n")
        answers.flush()


main()
