import {
  to = redis_k8s_instance.sessions
  identity = {
    namespace = "shop"
    name      = "sessions"
  }
}
