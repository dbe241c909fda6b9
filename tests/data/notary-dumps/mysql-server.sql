/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: 127.0.0.1    Database: notaryserver
-- ------------------------------------------------------
-- Server version	10.11.19-MariaDB-0+deb12u1

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Table structure for table `change_category`
--

DROP TABLE IF EXISTS `change_category`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `change_category` (
  `category` varchar(20) NOT NULL,
  PRIMARY KEY (`category`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `change_category`
--

LOCK TABLES `change_category` WRITE;
/*!40000 ALTER TABLE `change_category` DISABLE KEYS */;
INSERT INTO `change_category` VALUES
('deletion'),
('update');
/*!40000 ALTER TABLE `change_category` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `changefeed`
--

DROP TABLE IF EXISTS `changefeed`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `changefeed` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  `gun` varchar(255) NOT NULL,
  `version` int(11) NOT NULL,
  `sha256` char(64) DEFAULT NULL,
  `category` varchar(20) NOT NULL DEFAULT 'update',
  PRIMARY KEY (`id`),
  KEY `category` (`category`),
  KEY `idx_changefeed_gun` (`gun`),
  CONSTRAINT `changefeed_ibfk_1` FOREIGN KEY (`category`) REFERENCES `change_category` (`category`)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `changefeed`
--

LOCK TABLES `changefeed` WRITE;
/*!40000 ALTER TABLE `changefeed` DISABLE KEYS */;
INSERT INTO `changefeed` VALUES
(1,'2026-11-30 02:45:55','localhost:5000/m',1,'807635aa5311ffa1b25bd357e26428853705c9b40be5b1df66a969da73463ad4','update'),
(2,'2026-11-30 02:45:55','localhost:5000/m',2,'471c760cce3a346e1084f79afc8a8b30b02e6cfe28791abfcc6d4abb2e23938c','update'),
(3,'2026-11-30 02:45:55','localhost:5000/m',3,'6f6e8236faa7eb5480dd64d6e791b9392659c9eb5862670c37c2d7bf5cfefbab','update');
/*!40000 ALTER TABLE `changefeed` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `tuf_files`
--

DROP TABLE IF EXISTS `tuf_files`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `tuf_files` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  `deleted_at` timestamp NULL DEFAULT NULL,
  `gun` varchar(255) NOT NULL,
  `role` varchar(255) NOT NULL,
  `version` int(11) NOT NULL,
  `data` longblob NOT NULL,
  `sha256` char(64) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `gun` (`gun`,`role`,`version`),
  KEY `sha256` (`sha256`)
) ENGINE=InnoDB AUTO_INCREMENT=11 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `tuf_files`
--

LOCK TABLES `tuf_files` WRITE;
/*!40000 ALTER TABLE `tuf_files` DISABLE KEYS */;
INSERT INTO `tuf_files` VALUES
(1,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','root',1,'{\"signed\":{\"_type\":\"Root\",\"consistent_snapshot\":false,\"expires\":\"2036-11-27T02:45:55.205028806Z\",\"keys\":{\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWQKeBFjnS3fPc4Bk3CtpSul4XIEnW9WQrXXi/F8lpNARL/AO7fiXfPDvYuMIRS3jJEKm3T4a93LKL7G514Juxg==\"}},\"87229eafc4e482eb75b9c32b37416110cd39a0005515dbd2424bb08102ff1da9\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKUWv6PglwjyKHBxJForfbexI7rradY4Lm8f6IW+7lml2QTEaPT/sUD8zlrgHwhtWTKs9bJBupAdcEs9fQM0wtw==\"}},\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\":{\"keytype\":\"ecdsa-x509\",\"keyval\":{\"private\":null,\"public\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJhakNDQVJDZ0F3SUJBZ0lSQU5wcE1Wd0hKaWFSZ3o5VCtVaXBNYm93Q2dZSUtvWkl6ajBFQXdJd0d6RVoKTUJjR0ExVUVBeE1RYkc5allXeG9iM04wT2pVd01EQXZiVEFlRncweU5qRXhNekF3TWpRMU5UVmFGdzB6TmpFeApNamN3TWpRMU5UVmFNQnN4R1RBWEJnTlZCQU1URUd4dlkyRnNhRzl6ZERvMU1EQXdMMjB3V1RBVEJnY3Foa2pPClBRSUJCZ2dxaGtqT1BRTUJCd05DQUFRUEVzQ0JQWUpaTWI1Szh0T2I5bmhZL1ZSY2w0S3lkQjBNWjkwSC9XU1oKUmgyeHdlLy9xS0ZiUHMydnZDeTlRVFdSQWZUd2hjdzVYQWlwdVg1WHEvUUZvelV3TXpBT0JnTlZIUThCQWY4RQpCQU1DQmFBd0V3WURWUjBsQkF3d0NnWUlLd1lCQlFVSEF3TXdEQVlEVlIwVEFRSC9CQUl3QURBS0JnZ3Foa2pPClBRUURBZ05JQURCRkFpQjlMZVUzSENDcE8rcmNWVE8wRWFUTXdPdlRxcEMwclM2VFRkcWRxYStzbFFJaEFKTksKUkFMOGhwNGpyNzZiQXl1K0tFK05kQisyWWExV3lsQnZLRzhtZHM0MgotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==\"}},\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqxOnpZp7TRu6qsmZon7/H/XozQP/UegafA2PM0HngkT/zXe8Y100WmX4s055ir84zxEGl9RBPdfDuI3zUyYb4w==\"}}},\"roles\":{\"root\":{\"keyids\":[\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\"],\"threshold\":1},\"snapshot\":{\"keyids\":[\"87229eafc4e482eb75b9c32b37416110cd39a0005515dbd2424bb08102ff1da9\"],\"threshold\":1},\"targets\":{\"keyids\":[\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\"],\"threshold\":1},\"timestamp\":{\"keyids\":[\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\"],\"threshold\":1}},\"version\":1},\"signatures\":[{\"keyid\":\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\",\"method\":\"ecdsa\",\"sig\":\"75AXnXrrSTh/kt7Cmp691awvy6WxICNUHz1/Wtl8SpM0EfdHvVtgSmdI4yfvWoodQk4uWZBwtlTVYyVUS97vjw==\"}]}','41ff34428eb7a1072ac8273506c4ce1557d14e9ad1ecad7717053ae1660b0cc0'),
(2,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','targets',2,'{\"signed\":{\"_type\":\"Targets\",\"delegations\":{\"keys\":{},\"roles\":[]},\"expires\":\"2029-11-29T02:45:55.213657628Z\",\"targets\":{},\"version\":2},\"signatures\":[{\"keyid\":\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\",\"method\":\"ecdsa\",\"sig\":\"hLyQJPAzIYXjCnQU3zuUt7cRcWdMKO69Jw/Bb2njAapl9/7yy+lE0nGAVJuRqEKXEljTJq0jvMyRrpYDjehOJA==\"}]}','da16e140809892e251417dcd957ae834036b4e4202f5f01abe525c59a279a464'),
(3,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','snapshot',2,'{\"signed\":{\"_type\":\"Snapshot\",\"expires\":\"2029-11-29T02:45:55.21514448Z\",\"meta\":{\"root\":{\"hashes\":{\"sha256\":\"Qf80Qo63oQcqyCc1BsTOFVfRTprR7K13FwU64WYLDMA=\",\"sha512\":\"NE53TwE/yQXz17r+6//hfv1GbGPN1ogfoEn40cEE3lNvs79K4LsxNBXAdbX7lTtV8UggExgTJ0VzQRQi/k5Vuw==\"},\"length\":2364},\"targets\":{\"hashes\":{\"sha256\":\"2hbhQICYkuJRQX3NlXroNANrTkIC9fAavlJcWaJ5pGQ=\",\"sha512\":\"1Ugq08KmD2Jf7Ojw/fFwlKrR8jhc/u1NkBo0BX3VsGsnYgd6555KkNh1UyWL+wri6QeoxKazF2+rlGjjaYaVDA==\"},\"length\":341}},\"version\":2},\"signatures\":[{\"keyid\":\"87229eafc4e482eb75b9c32b37416110cd39a0005515dbd2424bb08102ff1da9\",\"method\":\"ecdsa\",\"sig\":\"XOb70nErU2z7wN1U2SWqJotZQTItevNZ0FgFF8uy95x6bjPEVRpb9YQ9uoR1pwSCPANwOhFAaeH1A6Cb3QJd6A==\"}]}','7ce11a0cc909976968d5acb51f62d2fb07927f29035dde6744e4150b1809f907'),
(4,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','timestamp',1,'{\"signed\":{\"_type\":\"Timestamp\",\"expires\":\"2026-12-14T02:45:55.220083888Z\",\"meta\":{\"snapshot\":{\"hashes\":{\"sha256\":\"fOEaDMkJl2lo1ay1H2LS+weSfykDXd5nROQVCxgJ+Qc=\",\"sha512\":\"xeWQIxLuH/1ymiD+I9jhY7N2e88y7SBR2P929SwtHU5H4SDt1D5v5zaiZcK61xYuXzYtDC0vPnfq6IQGpEQyjg==\"},\"length\":682}},\"version\":1},\"signatures\":[{\"keyid\":\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\",\"method\":\"ecdsa\",\"sig\":\"GaMwPQGZXXl0AynfVORILWiJ7mk9frK9xvsJAeJ+hfbGIutq1r2m/p6r5F5Q41DS7ky9y5Z57EDciU1NRK7vuQ==\"}]}','807635aa5311ffa1b25bd357e26428853705c9b40be5b1df66a969da73463ad4'),
(5,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','root',2,'{\"signed\":{\"_type\":\"Root\",\"consistent_snapshot\":false,\"expires\":\"2036-11-27T02:45:55.272308316Z\",\"keys\":{\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWQKeBFjnS3fPc4Bk3CtpSul4XIEnW9WQrXXi/F8lpNARL/AO7fiXfPDvYuMIRS3jJEKm3T4a93LKL7G514Juxg==\"}},\"300801d78641db85885a69119913a434ffbbe7f10fd141aa6037c8f014e0d41c\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuZdqosme8KoMirV2O4OMPbyR3/zYU5qjOzz6vSPNr2ESlm3IYoPK2n/VV5sbugMVBhTWu1+9UFXX18lszfCVWg==\"}},\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\":{\"keytype\":\"ecdsa-x509\",\"keyval\":{\"private\":null,\"public\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJhakNDQVJDZ0F3SUJBZ0lSQU5wcE1Wd0hKaWFSZ3o5VCtVaXBNYm93Q2dZSUtvWkl6ajBFQXdJd0d6RVoKTUJjR0ExVUVBeE1RYkc5allXeG9iM04wT2pVd01EQXZiVEFlRncweU5qRXhNekF3TWpRMU5UVmFGdzB6TmpFeApNamN3TWpRMU5UVmFNQnN4R1RBWEJnTlZCQU1URUd4dlkyRnNhRzl6ZERvMU1EQXdMMjB3V1RBVEJnY3Foa2pPClBRSUJCZ2dxaGtqT1BRTUJCd05DQUFRUEVzQ0JQWUpaTWI1Szh0T2I5bmhZL1ZSY2w0S3lkQjBNWjkwSC9XU1oKUmgyeHdlLy9xS0ZiUHMydnZDeTlRVFdSQWZUd2hjdzVYQWlwdVg1WHEvUUZvelV3TXpBT0JnTlZIUThCQWY4RQpCQU1DQmFBd0V3WURWUjBsQkF3d0NnWUlLd1lCQlFVSEF3TXdEQVlEVlIwVEFRSC9CQUl3QURBS0JnZ3Foa2pPClBRUURBZ05JQURCRkFpQjlMZVUzSENDcE8rcmNWVE8wRWFUTXdPdlRxcEMwclM2VFRkcWRxYStzbFFJaEFKTksKUkFMOGhwNGpyNzZiQXl1K0tFK05kQisyWWExV3lsQnZLRzhtZHM0MgotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==\"}},\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\":{\"keytype\":\"ecdsa\",\"keyval\":{\"private\":null,\"public\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqxOnpZp7TRu6qsmZon7/H/XozQP/UegafA2PM0HngkT/zXe8Y100WmX4s055ir84zxEGl9RBPdfDuI3zUyYb4w==\"}}},\"roles\":{\"root\":{\"keyids\":[\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\"],\"threshold\":1},\"snapshot\":{\"keyids\":[\"300801d78641db85885a69119913a434ffbbe7f10fd141aa6037c8f014e0d41c\"],\"threshold\":1},\"targets\":{\"keyids\":[\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\"],\"threshold\":1},\"timestamp\":{\"keyids\":[\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\"],\"threshold\":1}},\"version\":2},\"signatures\":[{\"keyid\":\"873c60936f071f5fa17c3e174e1cf0c44cfdc213fdda778e1e395c2a275bf74e\",\"method\":\"ecdsa\",\"sig\":\"aG0XH8MIczuvdsu9viPP/35XYAf0BndzJLaZW/4Bf/pK302wO0jHW1S+lMU/SuS1e8Jn0omkxFPh/Ch+pazfyg==\"}]}','bd23111e74738ae5a821f62aa5ee6057dc7c2897fe758a8c695aed97856e5ec1'),
(6,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','snapshot',3,'{\"signed\":{\"_type\":\"Snapshot\",\"expires\":\"2029-11-29T02:45:55.28085718Z\",\"meta\":{\"root\":{\"hashes\":{\"sha256\":\"vSMRHnRziuWoIfYqpe5gV9x8KJf+dYqMaVrtl4VuXsE=\",\"sha512\":\"D4fhV+GsBW6E5AyXEFwwRcDMNUjhn5y8ZlZW8cVFNJEPQ40Gchfme+2remMOa4kkbdLyYlQBISVemjNoFRX9rQ==\"},\"length\":2364},\"targets\":{\"hashes\":{\"sha256\":\"2hbhQICYkuJRQX3NlXroNANrTkIC9fAavlJcWaJ5pGQ=\",\"sha512\":\"1Ugq08KmD2Jf7Ojw/fFwlKrR8jhc/u1NkBo0BX3VsGsnYgd6555KkNh1UyWL+wri6QeoxKazF2+rlGjjaYaVDA==\"},\"length\":341}},\"version\":3},\"signatures\":[{\"keyid\":\"300801d78641db85885a69119913a434ffbbe7f10fd141aa6037c8f014e0d41c\",\"method\":\"ecdsa\",\"sig\":\"O8nL0kN15zywujKgDrx/KpZRHCwjaRiM26Hie0FrAREU2eDV8xeS+RNKThbtRD1/ad6GqnP3LocWR4Nr8gWhXQ==\"}]}','3af89d027a9ef93c2710442abe8ab7e397ea821e65ff770c38c77c17badea4be'),
(7,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','timestamp',2,'{\"signed\":{\"_type\":\"Timestamp\",\"expires\":\"2026-12-14T02:45:55.292319794Z\",\"meta\":{\"snapshot\":{\"hashes\":{\"sha256\":\"OvidAnqe+TwnEEQqvoq345fqgh5l/3cMOMd8F7repL4=\",\"sha512\":\"7SdYUulYowhkv+BR4OU0AcGplrnKpquB9HInMfX0PESLQjLEOj40EfqSzUuiRSDm6qbOoLLIU08mKsoUvSXkEA==\"},\"length\":682}},\"version\":2},\"signatures\":[{\"keyid\":\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\",\"method\":\"ecdsa\",\"sig\":\"+7S/uJ19ZxNyXlCHO8KCCG5gFnZMXzeSuZdJo2NmWDajh8wNfQKgN2HjMDJSoq7fxMw/WKeud9OGSfCSL09V3A==\"}]}','471c760cce3a346e1084f79afc8a8b30b02e6cfe28791abfcc6d4abb2e23938c'),
(8,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','targets',3,'{\"signed\":{\"_type\":\"Targets\",\"delegations\":{\"keys\":{},\"roles\":[]},\"expires\":\"2029-11-29T02:45:55.323371067Z\",\"targets\":{\"v1\":{\"hashes\":{\"sha256\":\"WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=\",\"sha512\":\"58IrmUxZ2c8rSOVJseJGZmNgRZMNPafBrLKZ0cO3+TH5Sq5B7dosKyB6NuEPi8uNRSI+VIePWzFufOO2vAGWKQ==\"},\"length\":6}},\"version\":3},\"signatures\":[{\"keyid\":\"d75d3cd6f5853abd675fa000690b63418c175b19480bb331114554ed8d611a5d\",\"method\":\"ecdsa\",\"sig\":\"LKm9Y9EmkDkexYFu8RQr+/Id2Am01NvrwNv2RkuqIufQ8U0wg/04xMath2KJ1eQZe0zLWkenaGb85cOQQuIJGQ==\"}]}','229ee4992632d5d8bbff83926cc15211257d9f31f9c8095f68204322024de999'),
(9,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','snapshot',4,'{\"signed\":{\"_type\":\"Snapshot\",\"expires\":\"2029-11-29T02:45:55.32735521Z\",\"meta\":{\"root\":{\"hashes\":{\"sha256\":\"vSMRHnRziuWoIfYqpe5gV9x8KJf+dYqMaVrtl4VuXsE=\",\"sha512\":\"D4fhV+GsBW6E5AyXEFwwRcDMNUjhn5y8ZlZW8cVFNJEPQ40Gchfme+2remMOa4kkbdLyYlQBISVemjNoFRX9rQ==\"},\"length\":2364},\"targets\":{\"hashes\":{\"sha256\":\"Ip7kmSYy1di7/4OSbMFSESV9nzH5yAlfaCBDIgJN6Zk=\",\"sha512\":\"LbExbEm0KQRzE30yDC23uQUDsK05/jwOjZ2WPbBC/+aMiqxZGg/b7MgrRdPIOdzVifQQtqbmlOsFGoSoaPtzww==\"},\"length\":525}},\"version\":4},\"signatures\":[{\"keyid\":\"300801d78641db85885a69119913a434ffbbe7f10fd141aa6037c8f014e0d41c\",\"method\":\"ecdsa\",\"sig\":\"yyWV/gBUCLL2UqoM+Yu7JesKmOFXh3bC90zoemSgTaUJt1FcVvhc86Ib0zX9ow/Y7xQRIPmSq1gi4DZGQ2msvg==\"}]}','be53158308bd225d6f9c4530ff5bef3b154abd79edd314572642eea433137086'),
(10,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'localhost:5000/m','timestamp',3,'{\"signed\":{\"_type\":\"Timestamp\",\"expires\":\"2026-12-14T02:45:55.329376798Z\",\"meta\":{\"snapshot\":{\"hashes\":{\"sha256\":\"vlMVgwi9Il1vnEUw/1vvOxVKvXnt0xRXJkLupDMTcIY=\",\"sha512\":\"q7DioEKaQdVdVuu3UPq1R+qL7b1O+ZSUlxrGHdAOHzYHmdBKpql621vDejWYasq0EquVct0OF89KK0RdNxcXZg==\"},\"length\":682}},\"version\":3},\"signatures\":[{\"keyid\":\"16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a\",\"method\":\"ecdsa\",\"sig\":\"BvvncGxCMQYah+0gRQDaVoKC1zR5Dg8Rv1xYToGP6okRPEompFToWXbNzYRf4uHSGoerxR8RRxQlDOCaukfnLQ==\"}]}','6f6e8236faa7eb5480dd64d6e791b9392659c9eb5862670c37c2d7bf5cfefbab');
/*!40000 ALTER TABLE `tuf_files` ENABLE KEYS */;
UNLOCK TABLES;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2026-11-30  2:45:55
