import {
  to = redis_k8s_instance.sessions
  id = "shop/sessions"
}
