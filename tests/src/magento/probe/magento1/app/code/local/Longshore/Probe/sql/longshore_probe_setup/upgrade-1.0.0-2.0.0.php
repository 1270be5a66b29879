<?php
$this->startSetup();
// As long as a shop's own migrations take, so that what happens meanwhile is seen.
sleep(3);
$this->run('ALTER TABLE longshore_probe ADD COLUMN two INT');
$this->endSetup();
