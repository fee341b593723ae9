# namespace/name
terraform import redis_k8s_instance.sessions shop/sessions
