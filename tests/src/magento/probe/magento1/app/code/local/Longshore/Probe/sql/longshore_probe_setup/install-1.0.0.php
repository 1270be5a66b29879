<?php
$this->startSetup();
$this->run('CREATE TABLE IF NOT EXISTS longshore_probe (id INT AUTO_INCREMENT PRIMARY KEY)');
$this->endSetup();
