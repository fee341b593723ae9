# Redis without TLS yet. additional_config refuses the TLS directives (tls-port, tls-cert-file, …), since the operator's
# own probes would no longer reach Redis.
# Not supported by the provider yet: tls (certificate, key and CA from a Secret).
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "plain" {
  name             = "plain"
  namespace        = "redis"
  create_namespace = true
}

output "url" {
  value = redis_k8s_instance.plain.url
}
