# Redis without TLS yet. Its directives (tls-port, tls-cert-file, …) are refused in additional_config, since the operator's
# own probes would no longer reach Redis.
# Left out, since the provider does not have it yet: tls (certificate, key and CA out of a Secret).
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
