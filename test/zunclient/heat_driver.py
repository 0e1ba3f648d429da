"""Runs stacks of Heat's own engine, with its database in memory and Zun's client as it makes it.

Arguments are the URL of the API and a token; a line of JSON in is a template, or null for the end of the stack; a line out is
{"status", "reason", "shown"}, where shown is of the resource "container". There is no Keystone and no Neutron: the session has the token and the URL, and the names of
networks are none.
"""
import json
import logging
import os
import sys
import uuid

from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from oslo_config import cfg
from oslo_db import options
from oslo_messaging import conffixture  # noqa: F401 - registers what Heat reads

options.set_defaults(cfg.CONF, connection="sqlite://")

from heat.common import config  # noqa: F401 - the same
from heat.common import context
from heat.common import messaging
from heat.db.sqlalchemy import api as db
from heat.db.sqlalchemy import models
from heat.engine import environment
from heat.engine import resource
from heat.engine import resources
from heat.engine import stack
from heat.engine import template
from heat.engine.resources.openstack.zun import container


class NoNeutron:
    def list_networks(self):
        return {"networks": []}


def main(url, token):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    cfg.CONF([], default_config_files=[])
    cfg.CONF.set_override("deferred_auth_method", "password")
    cfg.CONF.set_override("action_retry_limit", 0)  # it would wait longer and longer between them
    messaging.setup("fake://", optional=True)
    resources.initialise()
    engine = db.get_engine()
    models.BASE.metadata.create_all(engine)
    ctx = context.RequestContext.from_dict({
        "tenant_id": "p", "tenant": "p", "username": "u", "password": "p", "user_id": "u", "roles": ["admin"], "is_admin": False,
        "auth_url": "http://192.0.2.1/v3", "auth_token": token})
    login = session.Session(auth=token_endpoint.Token(url + "/v1", token))
    context.RequestContext.keystone_session = property(lambda self: login)
    container.Container.neutron = lambda self: NoNeutron()
    # What they check is there, they ask Keystone and Neutron.
    resource.Resource.is_service_available = classmethod(lambda cls, context: (True, None))
    container.Container.translation_rules = lambda self, props: []

    one = None
    for line in sys.stdin:
        body = json.loads(line)
        if body is None:
            one.delete()
        else:
            t = template.Template(body, env=environment.Environment({}))
            t.store(ctx)
            new = stack.Stack(ctx, "stack" if one is None else one.name, t)
            if one is None:
                one = new
                one.store()
                one.validate()
                one.create()
            else:
                one.update(new)
        action, status = one.state
        shown = {}
        if body and status == "COMPLETE":
            shown = {a: one["container"].FnGetAtt(a) for a in ("name", "addresses")}
        json.dump({"status": action + "_" + status, "reason": one.status_reason, "shown": shown}, answers)
        answers.write("\n")
        answers.flush()


main(*sys.argv[1:])
