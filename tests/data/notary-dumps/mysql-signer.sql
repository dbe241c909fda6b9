/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: 127.0.0.1    Database: notarysigner
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
-- Table structure for table `private_keys`
--

DROP TABLE IF EXISTS `private_keys`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `private_keys` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  `deleted_at` timestamp NULL DEFAULT NULL,
  `key_id` varchar(255) NOT NULL,
  `encryption_alg` varchar(255) NOT NULL,
  `keywrap_alg` varchar(255) NOT NULL,
  `algorithm` varchar(50) NOT NULL,
  `passphrase_alias` varchar(50) NOT NULL,
  `public` blob NOT NULL,
  `private` blob NOT NULL,
  `gun` varchar(255) NOT NULL,
  `role` varchar(255) NOT NULL,
  `last_used` datetime DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `key_id` (`key_id`),
  UNIQUE KEY `key_id_2` (`key_id`,`algorithm`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `private_keys`
--

LOCK TABLES `private_keys` WRITE;
/*!40000 ALTER TABLE `private_keys` DISABLE KEYS */;
INSERT INTO `private_keys` VALUES
(1,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'16b9eb1ed4dd96aeaee28f7ab419e5d5d1ad507e8e4c1a56d95b8461a55c050a','A256GCM','PBES2-HS256+A128KW','ecdsa','first_alias','0Y0*†HÎ=*†HÎ=B\0YžXçKwÏs€dÜ+iJéx\\\'[Õ­uâü_%¤Ð/ðíø—|ðïbãE-ã$B¦Ý>\Z÷rÊ/±¹×‚nÆ','eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjo4MTkyLCJwMnMiOiJrZlR3SnhpNmw0Y0xhYU9MIn0.CedpvNEbhkhD4WttoNUf9wiOMu0oxJ3GcIIsd5wFhF8F2f09vqRKjw.pNE4ytc4rs6oYNQW.c_Fw8r3CV0hxRJDHk2CeKrnau8GU8YyeWCkHkvbRBNSmtNvSG7r_dL3DxprrsXWmx33D6zsN6d6Pa9Ziar0oafaJn4mLgywS6HCp7UHY7rvMhoE4gilLRbesd8ed2akdOlEtcjwQpo5efmf_e0S6G6EoyQymeyHkKQ.zE0kAR__nVmD8rnlqaVY5Q','localhost:5000/m','timestamp','2026-11-30 02:45:55'),
(2,'2026-11-30 02:45:55','2026-11-30 02:45:55',NULL,'300801d78641db85885a69119913a434ffbbe7f10fd141aa6037c8f014e0d41c','A256GCM','PBES2-HS256+A128KW','ecdsa','first_alias','0Y0*†HÎ=*†HÎ=B\0¹—j¢ÉžðªŠµv;ƒŒ=¼‘ßüØSš£;<ú½#Í¯a–mÈbƒÊÚÕW›ºÖ»_½PU××ÉlÍð•Z','eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjo4MTkyLCJwMnMiOiJ5WWQwSV92bTlZUHdXa0t2In0.V4071ZoM9yJN-VPHpwjm0RC9ZAp6f2idMptQ70NQ1UHS4vRc1qXkDQ.1VGaLrrOjoA5vmv8.oqgQ_aK5_O-bL0Mx-tQD3OI_IE_x9uqJZsf2pUbyTaQ7IKkBWKdMHH83MhutcRMHZPAFWqjgu3onslspEueYl3QjPJshNxHxDi1LQYiD7WXhRBs9VoZZ624I_OZZ8WT36KbnMULNx1YorZiQnT6z4gX9N-O37QgcCQ.1rFXkJOHOadJPr8h4eCysQ','localhost:5000/m','snapshot','2026-11-30 02:45:55');
/*!40000 ALTER TABLE `private_keys` ENABLE KEYS */;
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
